"""Schedules and crons of a deployment, and what drives them."""
