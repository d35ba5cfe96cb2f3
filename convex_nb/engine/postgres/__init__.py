"""A deployment that lives in PostgreSQL and is shared between kernels: its log, its checkpoints, its files' bytes."""
