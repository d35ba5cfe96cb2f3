"""The write-ahead log: what makes a commit durable, and in which order commits happened."""
