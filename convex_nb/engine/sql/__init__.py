"""SQL over a snapshot, and the expressions that DuckDB is given."""
