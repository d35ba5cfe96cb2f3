"""Databases for the tests of the engine: a clock that ticks by itself, and thresholds that are passed all the time."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from convex_nb.engine import compaction, history, maintenance, materialised, merge, steps, subscriptions
from convex_nb.engine.commit import Commit, Entry
from convex_nb.engine.database import Database
from convex_nb.engine.indexes import index
from convex_nb.engine.indexes.sorted_chunks import SortedChunks
from convex_nb.engine.part import Part
from convex_nb.engine.reading import planner
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.transaction import Transaction
from convex_nb.engine.wal.memory import MemoryLog
from convex_nb.language.documents import Document
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v

T = TypeVar("T")
START_NS = 1_700_000_000 * 10**9


class TickingClock:
    """A microsecond passes whenever somebody looks; ``back`` turns it back."""

    def __init__(self) -> None:
        self._ticks = itertools.count()
        self.offset = START_NS

    def now_ns(self) -> int:
        return self.offset + 1000 * next(self._ticks)


class StepTimer:
    """Stands for ``maintenance.monotonic``: whoever looks finds that a millisecond has passed, and every step looks."""

    def __init__(self) -> None:
        self._looks = itertools.count()

    def __call__(self) -> float:
        return next(self._looks) / 1000


class DiskFullError(OSError):
    """What a log raises that cannot write."""

    def __init__(self) -> None:
        super().__init__(errno.ENOSPC, "No space left on device")


class FailingLog(MemoryLog):
    """Refuses now and then, and keeps what it took. `begins` is called with what is to be appended, before it is."""

    def __init__(self, fails: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        self.appends = 0
        self.failures = 0
        self.fails = fails
        self.begins: Callable[[Sequence[Entry]], object] = lambda entries: None

    def append(self, expected_head: int, entries: Sequence[Entry]) -> Sequence[int]:
        self.begins(entries)
        self.appends += 1
        if self.fails():
            self.failures += 1
            raise DiskFullError
        self.entries += entries
        return super().append(expected_head, entries)


@contextmanager
def small_steps(rows: int) -> Iterator[pytest.MonkeyPatch]:
    """So many rows in a step."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "ROWS", rows)
        patch.setattr(steps, "SLOW_ROWS", rows)
        yield patch


def small_thresholds(patch: pytest.MonkeyPatch) -> None:
    """Splits, segments, merges, kept snapshots and patched results after a handful of documents."""
    patch.setattr(SortedChunks, "CHUNK_SIZE", 4)
    patch.setattr(index, "FENCE", 3)
    patch.setattr(merge, "SHORT", 4)
    patch.setattr(merge, "WORTHWHILE", 2)
    patch.setattr(planner, "LONG", 6)
    patch.setattr(planner, "_CHUNK", 3)
    patch.setattr(steps, "ROWS", 5)
    patch.setattr(steps, "SLOW_ROWS", 3)
    patch.setattr(compaction, "CATCH_UP", 1)
    patch.setattr(compaction, "REPLAYED", 2)
    patch.setattr(maintenance, "RECENT", 5)
    patch.setattr(maintenance, "MOST_PARTS", 3)
    patch.setattr(history, "EVERY", 3)
    patch.setattr(materialised, "LEAST", 2)
    patch.setattr(materialised, "LARGEST_PATCH", 1)
    patch.setattr(subscriptions, "CHUNK", 2)
    patch.setattr(subscriptions, "PREFIX_LENGTHS", 2)


def make_database(schema: SchemaDefinition | None = None, **options: Any) -> Database:
    """A database on a ticking clock."""
    database = Database(**{"clock": TickingClock(), **options})
    if schema is not None:
        database.push_schema(schema)
    return database


def items_schema(*fields: str) -> SchemaDefinition:
    """A table ``items`` of any documents under the index ``by_fields``."""
    return define_schema({"items": define_table(v.any()).index("by_fields", list(fields))})


def transact(database: Database, function: Callable[[DatabaseWriter], T], source: str = "") -> T:
    """One transaction, not retried; what the function returns."""
    transaction = database.begin()
    value = function(DatabaseWriter(transaction))
    database.commit(transaction, source)
    return value


def committed(database: Database, function: Callable[[DatabaseWriter], object], source: str = "") -> Commit:
    """The commit of one transaction, which has to write something."""
    transaction = database.begin()
    function(DatabaseWriter(transaction))
    commit = database.commit(transaction, source)
    assert commit is not None
    return commit


def insert_all(database: Database, table_name: str, documents: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of documents inserted in one transaction."""
    return list(transact(database, lambda db: db.insert_many(table_name, documents)))


def import_all(
    database: Database, table_name: str, documents: Iterable[Mapping[str, Any]], replace: bool = False
) -> Commit:
    """Bring documents in as a whole segment, as the bulk path does."""
    from convex_nb.engine.segments.segment import Segment

    transaction = database.begin()
    state = transaction.table(table_name) or database.new_table(table_name, transaction.snapshot.catalog)
    whole = []
    for document in documents:
        id, time = database.mint.identity(state.number, table_name)
        whole.append(Document({"_id": id, "_creationTime": time, **document}))
    transaction.add_part(table_name, Part.build(Segment.from_documents(whole, table_name), state.indexes), replace)
    commit = database.commit(transaction, "import")
    assert commit is not None
    return commit


def reading(database: Database) -> tuple[Transaction, DatabaseReader]:
    """A read-only transaction and what user code sees of it."""
    transaction = database.begin(writable=False)
    return transaction, DatabaseReader(transaction)


def numbers(documents: Iterable[Mapping[str, Any]], field: str = "n") -> list[Any]:
    """One field of each document."""
    return [document.get(field) for document in documents]
