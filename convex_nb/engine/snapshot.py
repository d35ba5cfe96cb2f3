"""The whole database at one commit: one immutable root."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from convex_nb.engine.table import TableState

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.language.schema import SchemaDefinition


class Catalog:
    """What a push sets: the schema that is in force. Compared by identity, so that a commit sees a push at once."""

    __slots__ = ("schema",)

    def __init__(self, schema: SchemaDefinition | None) -> None:
        self.schema = schema


class Snapshot:
    """Every table as of one commit. Holding it keeps that state readable; dropping it frees it.

    ``timestamp`` is the commit's, nanoseconds since the epoch; ``tables`` holds the tables that exist, by name;
    ``dropped`` the numbers of those that were dropped, with their names: documents may still hold ids of them.
    """

    __slots__ = ("catalog", "dropped", "tables", "timestamp")

    def __init__(
        self, timestamp: int, tables: Mapping[str, TableState], catalog: Catalog, dropped: Mapping[int, str]
    ) -> None:
        self.timestamp = timestamp
        self.tables = tables
        self.catalog = catalog
        self.dropped = dropped

    def __repr__(self) -> str:
        return f"Snapshot({self.timestamp}, {len(self.tables)} tables)"

    @property
    def schema(self) -> SchemaDefinition | None:
        """The schema in force, if one was pushed."""
        return self.catalog.schema

    def table(self, name: str) -> TableState | None:
        """A table's state, or ``None`` where nothing was ever stored under this name."""
        return self.tables.get(name)

    def apply(self, commit: Commit) -> Snapshot:
        """The database after ``commit``, which must follow this snapshot.

        A table that nobody else changed since the transaction began is taken over as the transaction left it;
        otherwise its writes are applied to what is here now. Validation has shown that both are the same.
        """
        tables = dict(self.tables)
        base = commit.base
        replay: set[str] = set()
        for name, state in commit.result.items():
            if tables.get(name) is base.get(name):
                tables[name] = state
            else:
                replay.add(name)
        if replay or not commit.result:
            replay_commit(tables, commit, replay if commit.result else None)
        dropped = self.dropped
        if commit.dropped:
            dropped = {**dropped, **{self.tables[name].number: name for name in commit.dropped}}
            for name in commit.dropped:
                del tables[name]
        return Snapshot(commit.timestamp, tables, self.catalog, dropped)


def replay_commit(tables: dict[str, TableState], commit: Commit, names: Iterable[str] | None = None) -> None:
    """Apply a commit's changes to ``tables`` in place, those of ``names`` only where given."""
    for name in commit.tables if names is None else names:
        state = tables.get(name)
        # A table comes into being with its first document: two commits may both have brought it. One that an import
        # put in the place of another may have another number.
        if state is None or (name in commit.replaced and name in commit.created):
            state = commit.created[name]
        tables[name] = commit.replayed_on(state)
