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


_TAKE_A_DICT: Final = ("DatabaseWriter.insert(", "DatabaseWriter.patch(", "DatabaseWriter.replace(")


def add_hint(error: Exception) -> None:
    """Add the sentence that helps to an error that a handler ended with, where there is one; once only."""
    hint = _hint(error)
    # The functions that called this one end with the same error.
    if hint and hint not in getattr(error, "__notes__", ()):
        error.add_note(hint)


def _hint(error: Exception) -> str:
    if isinstance(error, TypeError) and "can't be used in 'await' expression" in str(error):
        return NOT_AWAITED
    if isinstance(error, TypeError) and str(error).startswith(_TAKE_A_DICT):
        return ONE_DICT
    return DATABASE if isinstance(error, NameError) and error.name == "db" else ""
