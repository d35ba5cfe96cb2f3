"""HTTP actions: functions that answer requests of any program, under paths of their own."""
