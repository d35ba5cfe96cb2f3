"""The segments that hold a table's documents at one snapshot, and which of their rows count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.indexes.sorted_chunks import SortedChunks
    from convex_nb.engine.part import Part
    from convex_nb.engine.segments.recent_columns import Located
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document


class Source:
    """A segment of which some rows are documents of the table."""

    __slots__ = ("_recent", "alive", "segment", "times")

    def __init__(
        self, segment: Segment, alive: NDArray[np.bool_] | None, recent: dict[int, Document] | None = None
    ) -> None:
        self.segment = segment
        self.alive = alive
        """Which rows count; ``None`` for all."""
        self.times: NDArray[np.float64] = segment.columns["_creationTime"].values.to_numpy()
        # By row, where the documents themselves are at hand.
        self._recent = recent

    def documents(self, rows: Sequence[int]) -> list[Document]:
        """The documents of these rows, in that order."""
        recent = self._recent
        return self.segment.documents(rows) if recent is None else [recent[row] for row in rows]

    def id(self, row: int) -> str:
        """The id of one row."""
        return self.segment.columns["_id"].bytes_at(row).decode()


def sources_of(state: TableState) -> Sequence[Source]:
    """Where the documents of a table are, the recent ones in small segments of their own.

    Costs O(recent documents) after a commit, and O(dead rows) of a part that a commit buried a row of.
    """
    sources = state.sources
    if sources is None:
        recent = state.recent()
        located = state.recent_columns.located(recent, state.name) if recent else []
        # Two threads may both make them; either are right, so no lock.
        sources = state.sources = [
            *[Source(part.segment, _alive(part)) for part in state.parts if len(part)],
            *[_recent_source(each, recent) for each in located],
        ]
    return sources


class _Alive(NamedTuple):
    dead: SortedChunks[int]
    alive: NDArray[np.bool_]

    @property
    def nbytes(self) -> int:
        return self.alive.nbytes


def _alive(part: Part) -> NDArray[np.bool_] | None:
    dead = part.dead[0]
    if not dead:
        return None
    kept: _Alive | None = part.segment.derived.get(_alive)
    if kept is not None and kept.dead is dead:
        return kept.alive
    alive = np.ones(part.segment.num_rows, np.bool_)
    alive[dead.values()] = False
    part.segment.derived[_alive] = _Alive(dead, alive)
    return alive


def _recent_source(located: Located, recent: Sequence[Document]) -> Source:
    segment, rows, numbers = located
    alive = None
    if len(rows) < segment.num_rows:
        alive = np.zeros(segment.num_rows, np.bool_)
        alive[rows] = True
    return Source(
        segment, alive, {row: recent[number] for row, number in zip(rows.tolist(), numbers.tolist(), strict=True)}
    )
