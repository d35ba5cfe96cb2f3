"""Measurements against the peers named in docs/performance.md: `python -m benchmarks`."""
