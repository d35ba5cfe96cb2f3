"""Many documents at once: columns, frames and rows become segments."""
