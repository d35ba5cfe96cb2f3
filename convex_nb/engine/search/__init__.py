"""Text and vector search: what is made of each segment, and how it is asked."""
