"""What the fields of a table hold, as an export needs to know it: its shape, and which values JSON cannot say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.values import Id, Int64
from convex_nb.services.transfer.type_shapes import INFER, encoded

if TYPE_CHECKING:
    from convex_nb.engine.table import TableState

PAGE: Final = 8192
_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "boolean",
    int: "normalfloat64",
    float: "normalfloat64",
    Int64: "int64",
    str: "string",
    Id: "string",
    bytes: "bytes",
    Document: "unknown",
    ReadOnlyList: "unknown",
}
_TEXTS: Final = frozenset({"int64", "string", "bytes", "float64"})
"""The kinds of values that JSON writes as strings."""
_BEYOND_JSON: Final = frozenset({"int64", "bytes", "float64", "unknown"})

encode_line: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True, check_circular=False
).encode


def pages(state: TableState) -> Iterator[list[Document]]:
    """All documents of a table in creation order, some thousands at a time."""
    key_of = state.indexes[1].key_of
    lo = MIN_KEY
    while True:
        documents = state.read(1, lo, MAX_KEY, PAGE, reverse=False)
        if documents:
            yield documents
        if len(documents) < PAGE:
            return
        lo = key_of(documents[-1]) + b"\x00"


class ExportedFields:
    """The kinds of values that each field of a table has."""

    def __init__(self, pages: Iterable[Sequence[Document]]) -> None:
        self._kinds: dict[str, set[str]] = {}
        counts: dict[str, int] = {}
        self._count = 0
        for documents in pages:
            self._count += len(documents)
            for name in dict.fromkeys(name for document in documents for name in document):
                values = [document[name] for document in documents if name in document]
                counts[name] = counts.get(name, 0) + len(values)
                self._kinds.setdefault(name, set()).update(_kinds_of(values))
        self._optional = {name for name, count in counts.items() if count < self._count}
        self._converted = {
            name: len(kinds & _TEXTS) > 1 or "unknown" in kinds
            for name, kinds in self._kinds.items()
            if kinds & _BEYOND_JSON
        }

    def shape_text(self) -> str:
        """The shape of the table's documents."""
        if not self._count:
            return "never"
        fields = [
            f'"{name}"{"?" if name in self._optional else ""}: {_union(kinds)}'
            for name, kinds in sorted(self._kinds.items())
        ]
        return f"{{{', '.join(fields)}}}"

    def lines(self, documents: Sequence[Document]) -> tuple[list[str], list[str]]:
        """Documents as lines of JSON, and a line of context for each that is not what it looks like."""
        converted = self._converted
        if not converted:
            return [encode_line(document) for document in documents], []
        lines: list[str] = []
        contexts: list[str] = []
        for document in documents:
            fields = dict(document)
            context: dict[str, Any] = {}
            for name, ambiguous in converted.items():
                if name in fields:
                    fields[name], inner = encoded(fields[name], ambiguous)
                    if inner != INFER:
                        context[name] = inner
            lines.append(encode_line(fields))
            if context:
                contexts.append(encode_line({document["_id"]: context}))
        return lines, contexts


def _kinds_of(values: Sequence[Any]) -> set[str]:
    types = set(map(type, values))
    kinds = {_KINDS[each] for each in types}
    if float in types and not all(math.isfinite(value) for value in values if type(value) is float):
        kinds.add("float64")
    return kinds


def _union(kinds: set[str]) -> str:
    if "unknown" in kinds:
        return "unknown"
    return " | ".join(sorted(kinds - {"normalfloat64"} if "float64" in kinds else kinds))
