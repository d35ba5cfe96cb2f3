"""The dashboard: pages about a deployment, each a live view that is made of blocks."""
