"""What every write and every read pays before and after the database: validation, keys, ids, encoding, copies."""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator

import msgspec

from benchmarks.harness import Line
from convex_nb.language.documents import Document, freeze
from convex_nb.language.encoding import dumps, loads
from convex_nb.language.ids import decode_id, encode_id
from convex_nb.language.keys import key_function
from convex_nb.language.ordering import same_value
from convex_nb.language.schema import define_table
from convex_nb.language.validators import v
from convex_nb.language.values import to_value

FIELDS = {
    "author": (v.string(), str),
    "title": (v.string(), str),
    "status": (v.string(), str),
    "language": (v.string(), str),
    "score": (v.number(), float),
    "views": (v.number(), float),
    "latitude": (v.number(), float),
    "longitude": (v.number(), float),
    "published": (v.boolean(), bool),
    "summary": (v.nullable(v.string()), str | None),
}
FLAT = {
    "author": "Ada Lovelace",
    "title": "Notes on the Analytical Engine",
    "status": "published",
    "language": "en",
    "score": 4.75,
    "views": 18_430.0,
    "latitude": 51.5072,
    "longitude": -0.1276,
    "published": True,
    "summary": None,
}


def lines() -> Iterator[Line]:
    """Yield the lines of this area."""
    table = define_table({name: validator for name, (validator, _) in FIELDS.items()})
    key = key_function(("author", "score"))
    stored = {**FLAT, "_id": encode_id(10_001, bytes(range(16))), "_creationTime": 1_758_000_000_000.5}
    struct = msgspec.defstruct("Flat", [(name, kind) for name, (_, kind) in FIELDS.items()])

    def validate_and_encode() -> None:
        table.validate(FLAT, table_name="notes")
        key(stored)

    yield Line(
        "validate 10 flat fields and encode a two-field index key",
        validate_and_encode,
        lambda: msgspec.convert(FLAT, struct),
        "msgspec.convert into a struct",
        target=5.0,
    )
    yield Line("10 flat fields to wire JSON", lambda: dumps(FLAT), lambda: json.dumps(FLAT), "json.dumps", target=3.0)
    text = dumps(FLAT)
    yield Line("10 flat fields from wire JSON", lambda: loads(text), lambda: json.loads(text), "json.loads")
    yield Line("freeze 10 flat fields", lambda: freeze(FLAT), lambda: dict(FLAT), "dict(d)")
    yield Line("normalise 10 flat fields of any shape", lambda: to_value(FLAT), lambda: dict(FLAT), "dict(d)")

    source = random.Random(1)
    yield Line(
        "make a document id",
        lambda: encode_id(10_001, source.randbytes(16)),
        lambda: str(uuid.UUID(bytes=source.randbytes(16), version=4)),
        "str(uuid.UUID)",
    )
    document_id = encode_id(10_001, bytes(range(16)))
    yield Line("decode a document id", lambda: decode_id(document_id), lambda: uuid.UUID(int=5), "uuid.UUID(int)")

    page = [Document(number=number) for number in range(100_000)]
    again = list(page)
    yield Line("copy a result of 100,000 documents", lambda: to_value(page), page.copy, "list.copy")
    yield Line("see that 100,000 documents are the same", lambda: same_value(page, again), lambda: page == again, "==")
