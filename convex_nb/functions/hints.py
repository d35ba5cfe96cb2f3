"""What is said of errors of Python's own that are known to have another cause than they name."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Final

from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.functions.contexts import QueryCtx
from convex_nb.language.documents import Document

NOT_AWAITED: Final = (
    "`ctx.run_query`, `ctx.run_mutation` and `ctx.run_action` give their value at once: write them without `await`."
)
ONE_DICT: Final = (
    'A document is one dict: `ctx.db.insert("messages", {"author": "Ada"})`, `ctx.db.patch(id, {"author": "Bob"})`.'
)
DATABASE: Final = "In a function it is `ctx.db`."
BY_NAME: Final = 'What a function takes goes by name: `ctx.run_mutation(send, author="Ada")`, or as one dict.'
FILTER: Final = "A filter is an expression: `.filter(lambda q: q.field({name!r}) == ...)`."

_TAKE_A_DICT: Final = ("DatabaseWriter.insert(", "DatabaseWriter.patch(", "DatabaseWriter.replace(")
_TAKES: Final = re.compile(r"(?:Scheduler|\w+Ctx)\.run_\w+\(\) takes .* positional arguments")
_FILTERS: Final = re.compile(r"\w*Query\w*\.filter\(\) got an unexpected keyword argument '(\w+)'")
_OTHERS: Final = {
    **dict.fromkeys(("update", "modify", "set"), "patch"),
    **dict.fromkeys(("add", "create", "put", "save", "append"), "insert"),
    "remove": "delete",
    **dict.fromkeys(("select", "find", "table"), "query"),
}
"""What other databases call what ours has."""


def add_hint(error: Exception) -> None:
    """Add the sentence that helps to an error that a handler ended with, where there is one; once only."""
    hint = _hint(error)
    # The functions that called this one end with the same error.
    if hint and hint not in getattr(error, "__notes__", ()):
        error.add_note(hint)


def _hint(error: Exception) -> str:
    if isinstance(error, TypeError):
        return _of_call(str(error))
    if isinstance(error, AttributeError) and error.name:
        return _of_attribute(error.obj, error.name)
    return DATABASE if isinstance(error, NameError) and error.name == "db" else ""


def _of_call(message: str) -> str:
    if "can't be used in 'await' expression" in message:
        return NOT_AWAITED
    if message.startswith(_TAKE_A_DICT):
        return ONE_DICT
    if _TAKES.match(message):
        return BY_NAME
    filters = _FILTERS.match(message)
    return FILTER.format(name=filters[1]) if filters else ""


def _of_attribute(owner: object, name: str) -> str:
    if isinstance(owner, Document):
        return f"A document is a dict: `document[{name!r}]`."
    if isinstance(owner, DatabaseReader):
        if name in _OTHERS:
            return f"It is `db.{_OTHERS[name]}` here."
        near = get_close_matches(name, [each for each in dir(type(owner)) if each[0] != "_"], n=1, cutoff=0.75)
        if near:
            return f"Did you mean `db.{near[0]}`?"
        return f"A table is read by its name: `db.query({name!r})`."
    return f"It is `ctx.db.{name}`." if isinstance(owner, QueryCtx) and hasattr(DatabaseWriter, name) else ""
