"""Records that are kept elsewhere, brought in again and again: those whose key is there already replace what has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.engine.committer import Conflict
from convex_nb.engine.indexes.key_lookup import KeyLookup
from convex_nb.engine.namespaces import Namespace
from convex_nb.language.errors import ConvexNbError, InvalidValueError
from convex_nb.language.keys import encode_key, field_at
from convex_nb.language.limits import Limits
from convex_nb.language.names import check_field_paths
from convex_nb.language.ordering import same_value
from convex_nb.language.qualified_names import component_of
from convex_nb.language.values import UNDEFINED

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.documents import Document

SOURCE: Final = "import"
"""What others that conflict with it are told."""


class Records(NamedTuple):
    """Records of one table, in order."""

    table: str
    """Its whole name."""
    key: tuple[str, ...]
    """The fields, or dotted paths, that tell one record from another; with none of them all are added."""
    records: Sequence[Mapping[str, Any]]


class Upserted(NamedTuple):
    """What became of records."""

    inserted: int
    """Those that were new."""
    replaced: int
    """Those that took the place of a document with the same key, whose `_id` and `_creationTime` they have."""
    unchanged: int
    """Those that were there already, just like that: nothing was written for them."""


def upsert(database: Database, batches: Iterable[Records]) -> Upserted:
    """Bring records in as one commit, or none of them.

    Costs some ten microseconds a record, and once for each segment of a table without an index on the key what sorting
    it costs. Raises `SchemaValidationError` and `InvalidValueError` with a note which record it was.
    """
    batches = list(batches)
    while True:
        transaction = database.begin()
        counts = [_upsert(transaction, batch) for batch in batches]
        try:
            database.commit(transaction, SOURCE)
        except Conflict:
            continue
        return Upserted(*[sum(column) for column in zip((0, 0, 0), *counts, strict=True)])


def _upsert(transaction: Transaction, batch: Records) -> Upserted:
    keys = _Keys(transaction, batch) if batch.key else None
    inserted = replaced = unchanged = 0
    for number, record in enumerate(batch.records):
        try:
            # As the table has it: of an `Int64` the key is another one than of an `int`.
            fields = transaction.normalised(transaction.table_or_new(batch.table), record)
            key = None if keys is None else keys.of(fields)
            old = None if keys is None or key is None else keys.find(key)
            if old is None:
                id = transaction.insert(batch.table, fields)
                inserted += 1
                if keys is not None and key is not None:
                    keys.add(key, id)
            elif _is_the_same(old, fields):
                unchanged += 1
            else:
                transaction.replace(old["_id"], fields, None, Namespace.of(component_of(batch.table)))
                replaced += 1
        except ConvexNbError as error:
            error.add_note(f"It is record {number} of {len(batch.records):,} for {batch.table!r}: none was imported.")
            raise
    return Upserted(inserted, replaced, unchanged)


class _Keys:
    """The documents of a table by their key: those that are there, and those that this transaction adds."""

    def __init__(self, transaction: Transaction, batch: Records) -> None:
        self._transaction = transaction
        self._key = batch.key
        self._lookup = KeyLookup(transaction.table_or_new(batch.table), batch.key)
        self._table = batch.table
        self._ids: dict[bytes, str | None] = {}

    def of(self, fields: Mapping[str, Any]) -> bytes:
        values = [field_at(fields, path) for path in self._key]
        for path, value in zip(self._key, values, strict=True):
            if value is UNDEFINED:
                raise InvalidValueError(f"The record has no field {path!r}, which is its key.", path=f".{path}")
        return encode_key(*values)

    def find(self, key: bytes) -> Document | None:
        if key not in self._ids:
            self._transaction.depend_on([self._lookup.interval(key)])
            found = self._lookup.find(key)
            if len(found) > 1:
                shown = ", ".join([f"{path}={field_at(found[0], path)!r:.40}" for path in self._key])
                raise InvalidValueError(
                    f"{len(found)} documents of the table have the key {shown}: which of them is meant cannot be told. "
                    "Delete all but one, or take more fields as the key."
                )
            self._ids[key] = found[0]["_id"] if found else None
        id = self._ids[key]
        state = self._transaction.table(self._table)
        return None if id is None or state is None else state.get(id)

    def add(self, key: bytes, id: str) -> None:
        self._ids[key] = id


def _is_the_same(old: Document, fields: Mapping[str, Any]) -> bool:
    return len(fields) == len(old) - 2 and all(
        name in old and same_value(old[name], value) for name, value in fields.items()
    )


def key_of(paths: object) -> tuple[str, ...]:
    """The fields of a key. Raises `SchemaDefinitionError` for what cannot be one."""
    return check_field_paths(paths, "The key of records", Limits.convex().index_fields - 1, "fields")
