"""Sorted keys: runs over segments and persistent maps of recent documents."""
