"""The figures of a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from convex_nb.engine.schema_push import Backfill, backfills, search_backfills

if TYPE_CHECKING:
    from convex_nb.engine.subscriptions import SubscriptionStatistics
    from convex_nb.engine.table import TableState
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
