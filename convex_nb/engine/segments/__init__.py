"""Rows of documents in Arrow columns."""
