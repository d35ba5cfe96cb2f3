"""What is remembered of calls: records, lines, events, tallies."""
