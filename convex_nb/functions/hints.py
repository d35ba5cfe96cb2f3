"""What is said of errors of Python's own that are known to have another cause than they name."""

from __future__ import annotations

from typing import Final

NOT_AWAITED: Final = (
    "`ctx.run_query`, `ctx.run_mutation` and `ctx.run_action` give their value at once: write them without `await`."
)
ONE_DICT: Final = (
    'A document is one dict: `ctx.db.insert("messages", {"author": "Ada"})`, `ctx.db.patch(id, {"author": "Bob"})`.'
)
DATABASE: Final = "In a function it is `ctx.db`."


def add_hint(error: Exception) -> None:
    """Add the sentence that helps to an error that a handler ended with, where there is one."""
    if isinstance(error, TypeError) and "can't be used in 'await' expression" in str(error):
        error.add_note(NOT_AWAITED)
    elif isinstance(error, TypeError) and str(error).startswith("DatabaseWriter."):
        error.add_note(ONE_DICT)
    elif isinstance(error, NameError) and error.name == "db":
        error.add_note(DATABASE)
