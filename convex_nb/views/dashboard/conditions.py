"""Conditions on documents, as a reader writes them: rows of a field, an operator and a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from convex_nb.language.encoding import loads
from convex_nb.language.errors import ConvexNbError, InvalidValueError
from convex_nb.language.values import UNDEFINED
from convex_nb.views.columns import type_name

OPERATORS: Final = (
    ("eq", "equals"),
    ("neq", "is not"),
    ("gt", ">"),
    ("gte", "≥"),
    ("lt", "<"),
    ("lte", "≤"),
    ("type", "is of type"),
    ("nottype", "is not of type"),
)


class Condition(NamedTuple):
    """One row, as it was written."""

    field: str
    operator: str
    text: str

    def value(self) -> Any:
        """The value that was written: JSON, or the text itself where that is none; of `_creationTime` a date too.

        Raises `InvalidValueError` for a type that there is not.
        """
        text = self.text.strip()
        if self.operator in ("type", "nottype"):
            if text not in TYPES:
                raise InvalidValueError(f"{text!r} is no type; write one of {', '.join(TYPES)}.", value=text)
            return text
        if text == "missing":
            return UNDEFINED
        if self.field == "_creationTime":
            try:
                moment = datetime.fromisoformat(text)
                return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000
            except ValueError:
                pass
        try:
            return loads(text)
        except (ConvexNbError, ValueError):
            return self.text


def select(db: Any, table: str, conditions: Sequence[Sequence[Any]], limit: int) -> list[Any]:
    """The newest documents of a table that meet all conditions, each a field, an operator and a value."""
    query = db.query(table).order("desc")
    for field, operator, *value in conditions:
        if operator not in ("type", "nottype"):
            # A value that was left out is one that is missing.
            wanted = value[0] if value else UNDEFINED
            query = query.filter(lambda q, f=field, o=operator, w=wanted: getattr(q, o)(q.field(f), w))
    tests = [(field, value[0], operator == "type") for field, operator, *value in conditions if "type" in operator]
    if not tests:
        return list(query.take(limit))
    found = []
    for document in query:
        if all((_is_of(_at(document, field), name) == wanted) for field, name, wanted in tests):
            found.append(document)
            if len(found) == limit:
                break
    return found


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name, UNDEFINED) if isinstance(document, Mapping) else UNDEFINED
    return document


def _is_of(value: Any, name: str) -> bool:
    if value is UNDEFINED:
        return name == "missing"
    own = type_name(value)
    return own == name or own.partition("<")[0] == name


def code_of(table: str, conditions: Sequence[Condition]) -> str:
    """A cell that asks for the same, of the newest hundred documents that do."""
    names, calls, tests = set(), [], []
    for each in conditions:
        value = each.value()
        if "type" in each.operator:
            test = _TYPE_TESTS[value]
            names |= {name for name in ("Id", "Int64", "UNDEFINED") if name in test}
            value_of = f"document{''.join([f'.get({name!r}, {{}})' for name in each.field.split('.')[:-1]])}"
            got = f"{value_of}.get({each.field.split('.')[-1]!r}, UNDEFINED)"
            names.add("UNDEFINED")
            tests.append(f"{'not ' if each.operator == 'nottype' else ''}({test.format(got)})")
        else:
            shown = "UNDEFINED" if value is UNDEFINED else repr(value)
            names |= {name for name in ("Int64", "UNDEFINED") if name in shown}
            calls.append(f"    .filter(lambda q: q.{each.operator}(q.field({each.field!r}), {shown}))")
    lines = ["%%convex_query"]
    if names:
        lines.append(f"from convex_nb import {', '.join(sorted(names))}")
    asked = [f"db.query({table!r})", *calls, '    .order("desc")']
    if not tests:
        return "\n".join([*lines, "(", f"    {asked[0]}", *asked[1:], "    .take(100)", ")"])
    chain = "".join([line.strip() for line in asked])
    return "\n".join([*lines, "(", f"    [document for document in {chain} if {' and '.join(tests)}][:100]", ")"])


_TYPE_TESTS: Final[Mapping[str, str]] = {
    "string": "isinstance({0}, str) and not isinstance({0}, Id)",
    "id": "isinstance({0}, Id)",
    "number": "isinstance({0}, (int, float)) and not isinstance({0}, (bool, Int64))",
    "int64": "isinstance({0}, Int64)",
    "boolean": "isinstance({0}, bool)",
    "null": "{0} is None",
    "bytes": "isinstance({0}, bytes)",
    "array": "isinstance({0}, list)",
    "object": "isinstance({0}, dict)",
    "missing": "{0} is UNDEFINED",
}
TYPES: Final = tuple(_TYPE_TESTS)
