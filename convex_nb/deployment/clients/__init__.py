"""Clients that stand for a user: turns, live queries, optimistic updates."""
