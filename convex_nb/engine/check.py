"""Every invariant of the engine, verified on demand, and its figures."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from convex_nb.engine.files.check import check_files
from convex_nb.engine.schema_push import Backfill, backfills, search_backfills
from convex_nb.engine.search.upkeep import check_searches
from convex_nb.engine.table import TableState
from convex_nb.engine.table_index import BY_ID
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.ordering import same_value

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.subscriptions import SubscriptionStatistics
    from convex_nb.engine.wal.protocol import StorageStatistics


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """One table at the head."""

    documents: int
    """Documents that exist."""
    segments: int
    """Immutable Arrow segments."""
    recent: int
    """Documents that are in no segment yet."""
    dead: int
    """Rows of segments that were updated or deleted since."""
    nbytes: int
    """Bytes of the segments' columns and index runs."""
    staged: dict[str, Backfill]
    """Staged indexes by name, and how far each is."""
    searched: dict[str, Backfill]
    """Text and vector indexes in force by name, and how far each has been made; a search makes the rest."""


class Upkeep(NamedTuple):
    """What maintenance has begun and not finished."""

    name: str
    """``merge``, of segments, or ``index``, of one segment."""
    table: str
    rows: int
    """How many rows it is about."""


@dataclass(frozen=True, slots=True)
class DatabaseStatistics:
    """The engine's figures."""

    timestamp: int
    """The newest commit, nanoseconds since the epoch."""
    tables: dict[str, TableStatistics]
    """By table name."""
    commits: int
    """Commits since the database was opened."""
    conflicts: int
    """Transactions refused since then."""
    history: int
    """Commits that are kept in memory for validation and for reading the past."""
    snapshots: int
    """Past snapshots that are kept whole, in memory."""
    retention: int
    """How far back the past has to be readable, nanoseconds."""
    oldest: int
    """The oldest timestamp whose state can be read, in memory or in the file."""
    maintenance_steps: int
    """Merges of segments and runs of indexes that maintenance has finished."""
    upkeep: Upkeep | None
    """What it is at."""
    subscriptions: SubscriptionStatistics
    """What is being watched."""
    storage: StorageStatistics | None
    """The durable file, if there is one."""


def table_statistics(state: TableState) -> TableStatistics:
    """The figures of one table. Costs O(segments)."""
    return TableStatistics(
        documents=len(state),
        segments=len(state.parts),
        recent=len(state.live[0]),
        dead=sum([len(part.dead[0]) for part in state.parts]),
        nbytes=sum([part.nbytes for part in state.parts]),
        staged=backfills(state),
        searched=search_backfills(state, staged=False),
    )


def check_table(state: TableState) -> None:
    """Verify a table: every index holds the same documents, each once, under the key that its content has.

    Raises ``AssertionError`` with the state of what is wrong. Costs O(documents x indexes x log documents).
    """
    documents = {document["_id"]: document for document in state.scan(1, MIN_KEY, MAX_KEY, reverse=False)}
    assert len(documents) == len(state), f"{state!r} counts {len(state)} but by_creation_time yields {len(documents)}"
    for position, index in enumerate(state.indexes):
        state.live[position].check()
        for part in state.parts:
            part.dead[position].check()
            run = part.run(position)
            run.check()
            content = [index.key_of(document) for document in part.segment.documents(run.rows(0, run.num_rows))]
            assert run.keys(0, run.num_rows) == content, (
                f"{state!r}: {index.name} has {run.keys(0, run.num_rows)} for rows whose content gives {content}"
            )
            for key, row in part.dead[position].range(MIN_KEY, MAX_KEY):
                start, stop = run.bounds(key, key + b"\x00")
                rows = [run.row(place) for place in range(start, stop)]
                assert rows == [row], f"{state!r}: dead key {key!r} of {index.name} is of rows {rows}, not {row}"
        found = list(state.scan(position, MIN_KEY, MAX_KEY, reverse=False))
        keys = [index.key_of(document) for document in found]
        ordered = all(a < b for a, b in pairwise(keys))
        assert ordered, f"{state!r}: {index.name} is not in order: {keys}"
        assert {document["_id"] for document in found} == documents.keys(), (
            f"{state!r}: {index.name} holds {[d['_id'] for d in found]}, by_creation_time {list(documents)}"
        )
        for document in found:
            assert same_value(document, documents[document["_id"]]), (
                f"{state!r}: {index.name} yields {document!r}, by_creation_time {documents[document['_id']]!r}"
            )
        assert state.count(position) == len(documents), f"{state!r}: {index.name} counts {state.count(position)}"
        for key, document in state.live[position].range(MIN_KEY, MAX_KEY):
            assert key == index.key_of(document), f"{state!r}: {index.name} has {document!r} under {key!r}"
    assert state.indexes[0].name == BY_ID
    for id, document in documents.items():
        assert same_value(state.get(id), document), f"{state!r}: get({id!r}) gives {state.get(id)!r}, not {document!r}"
    for part in state.parts:
        part.segment.check()
    check_searches(state)


def check_database(database: Database) -> None:
    """Verify the head, what history keeps, and the subscriptions. Raises ``AssertionError``."""
    head = database.head
    for name, state in head.tables.items():
        assert state.name == name, f"{name!r} holds {state!r}"
        assert database.table_names[state.number] == name, f"{state!r} has a number of {database.table_names}"
        check_table(state)
    history = database.history
    with database.committer.reading_history():
        commits = history.since(0)
        stamps = [commit.timestamp for commit in commits]
        assert stamps == sorted(set(stamps)), f"commit timestamps do not ascend: {stamps}"
        assert history.floor <= database.head.timestamp, f"history begins at {history.floor}, after {head!r}"
    database.subscriptions.check()
    check_files(database)
