"""What a deployment offers to front doors that others come in by: calls and followed queries of far-away clients."""
