"""Live queries and the reactor that runs them again."""
