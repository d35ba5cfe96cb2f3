"""Files from outside of functions: what `dep.files` gives, and how they look."""
