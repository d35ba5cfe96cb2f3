"""Scheduled functions and crons: their documents, and what starts them."""
