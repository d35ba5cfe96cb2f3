"""What the log keeps of a commit or a push, as bytes, and documents as bytes.

The lossless JSON of `convex_nb.language.encoding`: a few microseconds a document, against hundreds for the disk. What a
document was before a commit is not written: the state before it says that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from convex_nb.engine.commit import Commit, Push
from convex_nb.engine.wal.rows import CHUNK_BYTES, Blob
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.language.documents import Document, freeze
from convex_nb.language.encoding import from_json, to_json
from convex_nb.language.errors import ConvexNbError
from convex_nb.language.schema import SchemaDefinition
from convex_nb.language.schema_json import schema_from_json, schema_to_json
from convex_nb.language.values import Id


def _encoder() -> Callable[[Any], str]:
    """JSON's encoder, whose quick half is made once and not for each commit, which takes as long as a document does."""
    plain = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    quick = make(None, plain.default, json.encoder.encode_basestring, None, ":", ",", False, False, False)
    return lambda form: "".join(quick(form, 0))


_encode: Final = _encoder()


class CommitRecord(NamedTuple):
    """A commit as the log keeps it."""

    source: str
    creation_time: float
    created: Mapping[str, int]
    """Tables that came into being, and their numbers."""
    replaced: frozenset[str]
    dropped: frozenset[str]
    """Tables among them that are gone."""
    parts: Sequence[tuple[str, Blob]]
    """Segments that were added, by table."""
    writes: Sequence[tuple[str, str, Document | None]]
    """Tables, ids, and the documents as they are now; ``None`` where they were deleted."""


class PushRecord(NamedTuple):
    """A push as the log keeps it."""

    schema: SchemaDefinition | None
    created: Mapping[str, int]


class ElsewhereRecord(NamedTuple):
    """A record that is too large for a row: its bytes are a blob."""

    blob: Blob


AnyRecord: TypeAlias = CommitRecord | PushRecord | ElsewhereRecord


def encode_commit(commit: Commit, blobs: Sequence[Blob]) -> bytes:
    """The record of a commit whose segments are kept in ``blobs``."""
    try:
        return _encode(_commit_form(commit, blobs, quick=True)).encode()
    except ValueError:
        # A float that JSON has no number for.
        return _encode(_commit_form(commit, blobs, quick=False)).encode()


def _commit_form(commit: Commit, blobs: Sequence[Blob], *, quick: bool) -> dict[str, Any]:
    form: dict[str, Any] = {"source": commit.source, "time": commit.creation_time}
    if commit.created:
        form["created"] = {name: state.number for name, state in commit.created.items()}
    if commit.replaced:
        form["replaced"] = sorted(commit.replaced)
    if commit.dropped:
        form["dropped"] = sorted(commit.dropped)
    if commit.parts:
        form["parts"] = [[name, *blob] for (name, _), blob in zip(commit.parts, blobs, strict=True)]
    form["writes"] = [
        [write.table, write.id] if write.new is None else [write.table, *_document_form(write.new, quick)]
        for write in commit.writes
    ]
    return form


def encode_push(push: Push) -> bytes:
    """The record of a push."""
    schema = None if push.schema is None else schema_to_json(push.schema)
    return _encode({"schema": schema, "created": {name: state.number for name, state in push.created.items()}}).encode()


def encode_elsewhere(blob: Blob) -> bytes:
    """The record of a record that is kept as a blob."""
    return _encode({"elsewhere": blob}).encode()


def decode_record(data: bytes) -> AnyRecord:
    """What one of the functions above encoded. Raises `DamagedError`."""
    try:
        form = json.loads(data)
        if "elsewhere" in form:
            return ElsewhereRecord(Blob(*form["elsewhere"]))
        if "schema" in form:
            schema = form["schema"]
            return PushRecord(None if schema is None else schema_from_json(schema), form["created"])
        return CommitRecord(
            form["source"],
            form["time"],
            form.get("created", {}),
            frozenset(form.get("replaced", ())),
            frozenset(form.get("dropped", ())),
            [(name, Blob(*blob)) for name, *blob in form.get("parts", ())],
            [_write(*write) for write in form["writes"]],
        )
    except (ValueError, KeyError, TypeError, ConvexNbError) as error:
        raise DamagedError(f"a record ({error})") from None


def encode_documents(table: str, number: int, documents: Iterable[Document]) -> Iterator[bytes]:
    """Documents of a table in pieces of about a megabyte, each of which can be read without the others."""
    head = _encode({"table": table, "number": number})[:-1] + ',"documents":['
    piece: list[str] = []
    size = 0
    for document in documents:
        text = _encode(_document_form(document, quick=False))
        if piece and size + len(text) > CHUNK_BYTES - 1024:
            yield f"{head}{','.join(piece)}]}}".encode()
            piece, size = [], 0
        piece.append(text)
        size += len(text) if text.isascii() else len(text.encode())
    if piece:
        yield f"{head}{','.join(piece)}]}}".encode()


class Documents(NamedTuple):
    """A piece of what ``encode_documents`` wrote."""

    table: str
    number: int
    documents: list[Document]


def decode_documents(data: bytes) -> Documents:
    """One piece of ``encode_documents``. Raises `DamagedError`."""
    try:
        form = json.loads(data)
        table = form["table"]
        return Documents(table, form["number"], [_document(table, *document) for document in form["documents"]])
    except (ValueError, KeyError, TypeError, ConvexNbError) as error:
        raise DamagedError(f"documents ({error})") from None


_PLAIN: Final = frozenset({str, Id, int, float, bool, type(None)})


def _document_form(document: Document, quick: bool) -> list[Any]:
    """A document, and the tables of its fields that are ids: their JSON is text.

    With ``quick`` a plain document is its own form, but for floats that the encoder then refuses.
    """
    types = [*map(type, document.values())]
    form = document if quick and _PLAIN.issuperset(types) else to_json(document)
    if types.count(Id) == 1 and type(document["_id"]) is Id:
        return [form]
    tables = {name: value.table for name, value in document.items() if type(value) is Id and name != "_id"}
    return [form, tables] if tables else [form]


def _document(table: str, form: Any, tables: Mapping[str, str | None] | None = None) -> Document:
    fields = from_json(form)
    fields["_id"] = Id(fields["_id"], table)
    for name, other in (tables or {}).items():
        fields[name] = Id(fields[name], other)
    document: Document = freeze(fields)
    return document


def _write(table: str, form: Any, tables: Mapping[str, str | None] | None = None) -> tuple[str, str, Document | None]:
    if isinstance(form, str):
        return table, form, None
    document = _document(table, form, tables)
    return table, document["_id"], document
