"""Documents of every shape for the tests of storage."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from convex_nb.language.documents import Document, freeze
from convex_nb.language.ids import encode_id
from convex_nb.language.values import Id, Int64

TABLE = "tasks"


def id_of(number: int, table: str | None = TABLE) -> Id:
    """An id whose first characters do not all differ, as in a large table."""
    return Id(encode_id(10001, (number * 2654435761 % 2**32).to_bytes(4, "big") + number.to_bytes(12, "big")), table)


def document(number: int, fields: dict[str, Any], time: float | None = None) -> Document:
    """The ``number``-th document of a table."""
    return freeze({"_id": id_of(number), "_creationTime": 1e12 + number if time is None else time, **fields})  # type: ignore[no-any-return]


FLOATS = st.floats() | st.binary(min_size=8, max_size=8).map(lambda bits: struct.unpack("<d", bits)[0])
INTS = st.integers(-(2**53), 2**53)
INT64S = st.integers(-(2**63), 2**63 - 1).map(Int64)
IDS = st.integers(0, 99).map(lambda number: id_of(number, "users"))
TEXTS = st.text(max_size=6) | st.sampled_from(["", "a\x00b", '{"$integer":"', "$5", "\x00", "é", "\U0001f600"])
FLAT = st.none() | st.booleans() | FLOATS | INTS | INT64S | TEXTS | st.binary(max_size=4)
NAMES = st.sampled_from(["a", "b", "c"])
NESTED = st.recursive(
    FLAT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=6
)
KINDS: dict[str, st.SearchStrategy[Any]] = {
    "nothing": st.none(),
    "boolean": st.booleans(),
    "int": INTS,
    "float": FLOATS,
    "number": INTS | FLOATS,
    "int64": INT64S,
    "string": TEXTS,
    "bytes": st.binary(max_size=5),
    "id": IDS,
    "id or string": IDS | TEXTS,
    "anything": NESTED,
    "object": st.dictionaries(NAMES, FLAT, max_size=2),
    "texts": st.lists(TEXTS | st.none(), max_size=3),
    "numbers": st.lists(INTS | FLOATS, max_size=3),
    "floats": st.lists(FLOATS, max_size=3),
    "row": st.fixed_dictionaries(
        {"a": INTS}, optional={"b": st.lists(INT64S, max_size=2), "c": st.none() | st.booleans()}
    ),
    "rows": st.lists(st.fixed_dictionaries({"a": TEXTS}, optional={"b": st.binary(max_size=3)}), max_size=2),
}


@st.composite
def field_lists(draw: st.DrawFn, *, max_size: int = 24) -> list[dict[str, Any]]:
    """Fields of the documents of one table: each field has a kind, may be missing and may be null."""
    profiles = {
        name: (KINDS[draw(st.sampled_from(sorted(KINDS)))], draw(st.booleans()), draw(st.booleans()))
        for name in draw(st.lists(st.sampled_from(["a", "b", "c", "d", "_e", "f g"]), unique=True, max_size=4))
    }

    def fields() -> dict[str, Any]:
        chosen = {}
        for name, (values, optional, nullable) in profiles.items():
            if optional and draw(st.integers(0, 2)) == 0:
                continue
            chosen[name] = None if nullable and draw(st.integers(0, 2)) == 0 else draw(values)
        return chosen

    return [fields() for _ in range(draw(st.integers(1, max_size)))]


def documents_of(fields: Sequence[dict[str, Any]], start: int = 0) -> list[Document]:
    """Documents with these fields, numbered from ``start``."""
    return [document(start + number, each) for number, each in enumerate(fields)]


def exactly(value: Any) -> Any:
    """Something that two values have in common exactly when type, bits and key presence agree, not key order."""
    kind = type(value)
    if kind is float:
        return "float", struct.pack("<d", value)
    if isinstance(value, dict):
        return kind.__name__, {key: exactly(item) for key, item in value.items()}
    if isinstance(value, list):
        return kind.__name__, [exactly(item) for item in value]
    if kind is Id:
        return "str", str(value)
    return kind.__name__, value


def same_documents(found: Sequence[Document], expected: Sequence[Document]) -> bool:
    """Whether documents are the same in type and bits. `Id` and text are the same value, but not for ``_id``."""
    return [_shape(each) for each in found] == [_shape(each) for each in expected]


def _shape(document: Document) -> Any:
    return type(document["_id"]), {key: exactly(item) for key, item in document.items()}
