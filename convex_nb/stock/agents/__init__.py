"""Agents: language models that talk in threads, whose messages are documents of a component."""
