"""Components: functions with tables of their own, installed under a name."""
