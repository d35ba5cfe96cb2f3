"""What one transaction changed: the record that the log keeps and that everything else is derived from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from convex_nb.engine.part import Part
    from convex_nb.engine.read_set import ReadSet
    from convex_nb.engine.table import TableState
    from convex_nb.engine.table_index import TableIndex
    from convex_nb.engine.write import Write
    from convex_nb.language.schema import SchemaDefinition


class Commit:
    """One committed transaction.

    ``writes`` are the documents that it changed, ``parts`` the whole Arrow segments that it added, by table
    (bulk imports), ``replaced`` the tables whose earlier content it removed first, ``dropped`` those of them that are
    gone after it, ``created`` the tables that did not exist for it, empty. ``indexes`` are those of the tables that it
    changed, by table: a later push may change what the keys of a write would be. ``creation_time`` is the last one that
    had been given out when it was made.
    """

    __slots__ = (
        "__weakref__",
        "base",
        "created",
        "creation_time",
        "dropped",
        "failure",
        "indexes",
        "parts",
        "published",
        "read_set",
        "replaced",
        "result",
        "source",
        "timestamp",
        "writes",
    )

    def __init__(
        self,
        timestamp: int,
        writes: tuple[Write, ...],
        source: str,
        indexes: Mapping[str, tuple[TableIndex, ...]],
        parts: tuple[tuple[str, Part], ...] = (),
        replaced: frozenset[str] = frozenset(),
        created: Mapping[str, TableState] | None = None,
        creation_time: float = 0.0,
        dropped: frozenset[str] = frozenset(),
    ) -> None:
        self.timestamp = timestamp
        self.writes = writes
        self.source = source
        self.indexes = indexes
        self.parts = parts
        self.replaced = replaced
        self.created = created or {}
        self.creation_time = creation_time
        self.dropped = dropped
        self.published = False
        self.failure: BaseException | None = None
        # The tables as the transaction saw them and as it left them: publishing swaps these in when nobody else
        # has changed the table since. Dropped once published, so that history does not keep old versions alive.
        self.base: Mapping[str, TableState | None] = {}
        self.result: Mapping[str, TableState] = {}
        # What it was validated by: once more, if others were first to append to the log.
        self.read_set: ReadSet | None = None

    def settle(self) -> None:
        """The commit is published."""
        self.published = True
        self.base = self.result = {}
        self.read_set = None

    @property
    def tables(self) -> frozenset[str]:
        """The names of the tables that this commit changed."""
        return frozenset([write.table for write in self.writes]) | {name for name, _ in self.parts} | self.replaced

    def makes_anew(self, table: str) -> bool:
        """Whether ids that were made for a table before this commit are of no table, or of another one, after it."""
        return table in self.dropped or (table in self.replaced and table in self.created)

    def replayed_on(self, table: TableState) -> TableState:
        """The table after those of these changes that are its own. Costs O(writes)."""
        name = table.name
        if name in self.replaced:
            table = table.empty()
        for of, part in self.parts:
            if of == name:
                table = table.with_part(part)
        for write in self.writes:
            if write.table == name:
                table = table.apply(write)
        return table

    def __repr__(self) -> str:
        return (
            f"Commit({self.timestamp}, {len(self.writes)} writes, {len(self.parts)} segments, source={self.source!r})"
        )


class Push:
    """A schema put in force. ``created`` are the tables that came into being with it, empty."""

    __slots__ = ("__weakref__", "created", "schema", "timestamp")

    def __init__(self, timestamp: int, schema: SchemaDefinition | None, created: Mapping[str, TableState]) -> None:
        self.timestamp = timestamp
        self.schema = schema
        self.created = created

    def __repr__(self) -> str:
        return f"Push({self.timestamp}, {0 if self.schema is None else len(self.schema.tables)} tables)"


Entry: TypeAlias = Commit | Push
"""What the log keeps one after another."""
