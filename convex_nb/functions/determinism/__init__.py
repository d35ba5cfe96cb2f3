"""Queries and mutations see one moment and seeded randomness, and touch nothing but the database."""
