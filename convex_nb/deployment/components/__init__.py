"""Installed components: what there is of them, and how they come and go."""
