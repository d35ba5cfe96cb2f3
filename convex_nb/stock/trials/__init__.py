"""Trials: the view in which agents are looked at and tried."""
