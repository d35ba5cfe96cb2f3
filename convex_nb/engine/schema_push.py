"""Putting a schema in force: what is stored is checked, and its indexes are built, before anything changes."""

from __future__ import annotations

from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from convex_nb.engine.committer import Conflict
from convex_nb.engine.part import Part
from convex_nb.engine.search.upkeep import (
    forget_searches,
    indexed_rows,
    prepare_searches,
    search_definitions,
    searched_field,
)
from convex_nb.engine.snapshot import Catalog, Snapshot
from convex_nb.engine.system_tables import definition_of, is_system_table
from convex_nb.engine.table import TableState
from convex_nb.engine.table_index import TableIndex, table_indexes
from convex_nb.engine.wal.protocol import SharedLog
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.stored_documents import refusal_of_all, refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from convex_nb.engine.database import Database
    from convex_nb.engine.part import Run
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.errors import SchemaValidationError
    from convex_nb.language.schema import SchemaDefinition, TableDefinition

_OPTIMISTIC: Final = 3
_CREATION_TIME: Final = 1


def push(
    database: Database,
    schema_of: Callable[[Snapshot], SchemaDefinition | None],
    also: Callable[[Transaction], object],
    source: str,
) -> bool:
    """Put a schema in force: see `Database.push`."""

    def follow(head: Snapshot) -> Transaction:
        transaction = database.begin(head)
        also(transaction)
        return transaction

    if isinstance(database.log, SharedLog):
        # What is in force here already need not be what another kernel has put in force since.
        while database.follow(database.log):
            pass
    attempts = 0
    while True:
        head = database.head
        schema = schema_of(head)
        if schema == head.schema:
            try:
                database.commit(follow(head), source)
            except Conflict:
                continue
            return False
        attempts += 1
        if attempts <= _OPTIMISTIC:
            install = partial(_install, head, prepare(database, head, schema), Catalog(schema))
        else:
            # Others keep committing: they wait this time.
            install = partial(_prepare_and_install, database, schema_of)
        if database.install(install, follow, source):
            return True


def _install(
    expected: Snapshot, prepared: dict[str, TableState], catalog: Catalog, head: Snapshot, timestamp: int
) -> Snapshot | None:
    return Snapshot(timestamp, prepared, catalog, head.dropped) if head is expected else None


def _prepare_and_install(
    database: Database, schema_of: Callable[[Snapshot], SchemaDefinition | None], head: Snapshot, timestamp: int
) -> Snapshot | None:
    schema = schema_of(head)
    tables = {} if schema == head.schema else prepare(database, head, schema)
    return None if schema == head.schema else Snapshot(timestamp, tables, Catalog(schema), head.dropped)


def prepare(
    database: Database, head: Snapshot, schema: SchemaDefinition | None, *, again: bool = False
) -> dict[str, TableState]:
    """The tables of ``head`` under ``schema``, those included that only the schema names.

    Raises ``SchemaValidationError`` for stored documents that do not fit, the first ten of which it lists. Tables
    whose definition stays the same are taken over as they are. ``again``: the push is in the log, so documents fit,
    and runs can wait.
    """
    definitions = {} if schema is None else schema.tables
    if schema is not None and not again:
        refusal = refusal_of_all(
            chain.from_iterable([check_documents(database, *each) for each in _unchecked(head, schema)])
        )
        if refusal is not None:
            raise refusal
    tables: dict[str, TableState] = {}
    for name, state in head.tables.items():
        definition = definition_of(name, schema)
        if is_system_table(name) or (definition is None and state.definition is None):
            tables[name] = state
            continue
        table = tables[name] = redefined(state, definition, build=not again)
        if list(search_definitions(definition)) != list(search_definitions(state.definition)):
            forget_searches(table)
            for part in () if again else table.parts:
                prepare_searches(part.segment, definition)
    for name, definition in definitions.items():
        if name not in tables:
            tables[name] = TableState.create(name, database.register.number(name), definition)
    return tables


def _conform(parts: Sequence[Part], definition: TableDefinition, database: Database) -> bool:
    from convex_nb.engine.segments.conformance import conforms

    return all(conforms(part.segment, definition.validator, database.table_names) for part in parts)


def _unchecked(head: Snapshot, schema: SchemaDefinition) -> Iterator[tuple[TableState, TableDefinition]]:
    """The tables whose documents nobody has checked against their definition in ``schema``."""
    before = head.schema
    for name, state in head.tables.items():
        definition = definition_of(name, schema)
        if is_system_table(name) or definition is None or not schema.validates(name):
            continue
        old = state.definition
        if before is None or not before.validates(name) or old is None or old.validator != definition.validator:
            yield state, definition


def check_documents(
    database: Database, state: TableState, definition: TableDefinition
) -> Iterator[SchemaValidationError]:
    """Why documents of a table do not fit, as they are found. Costs O(documents), a few nanoseconds a value of those
    in segments whose columns tell by themselves that they do."""
    if state.parts and _conform(state.parts, definition, database):
        documents = iter(state.live[_CREATION_TIME].values())
    else:
        documents = state.scan(_CREATION_TIME, MIN_KEY, MAX_KEY, reverse=False)
    return refusals(documents, definition, state.name, database.table_names)


def redefined(state: TableState, definition: TableDefinition | None, *, build: bool = True) -> TableState:
    """The same documents under another definition: runs that exist are kept, new ones are built, now or on demand."""
    indexes = table_indexes(definition)
    kept = {index.name: place for place, index in enumerate(state.indexes)}
    if [(index.name, index.fields) for index in indexes] == [(index.name, index.fields) for index in state.indexes]:
        return TableState(state.name, state.number, definition, state.indexes, state.parts, state.live)
    sources: list[tuple[TableIndex, int | None]] = []
    for index in indexes:
        place = kept.get(index.name)
        sources.append((index, place if place is not None and state.indexes[place].fields == index.fields else None))
    table = TableState.over(
        state.name, state.number, definition, indexes, tuple([_reindexed(part, sources, build) for part in state.parts])
    )
    return table.with_live(state.recent())


def _reindexed(part: Part, sources: list[tuple[TableIndex, int | None]], build: bool) -> Part:
    runs: list[Run] = []
    for index, place in sources:
        if place is not None:
            runs.append(part.run_or_fields(place))
        else:
            runs.append(part.prepared_run(index.fields) if build else index.fields)
    return Part(part.segment, runs).without(part.dead_rows(), [index for index, _ in sources])


class Backfill(NamedTuple):
    """How far a staged index is: what a push that turns it on has not to build any more."""

    fields: tuple[str, ...]
    """Its fields."""
    indexed: int
    """Stored rows that are in it."""
    rows: int
    """Stored rows; recent documents need no preparation."""

    @property
    def is_ready(self) -> bool:
        """Whether turning it on costs next to nothing."""
        return self.indexed == self.rows


def backfills(state: TableState) -> dict[str, Backfill]:
    """The staged indexes of a table by name, and how far each is. Costs O(segments)."""
    rows = sum([part.segment.num_rows for part in state.parts])
    ordinary = {
        name: Backfill(fields, sum([part.segment.num_rows for part in state.parts if fields in part.prepared]), rows)
        for name, fields in staged_indexes(state)
    }
    return ordinary | search_backfills(state, staged=True)


def search_backfills(state: TableState, *, staged: bool) -> dict[str, Backfill]:
    """The same for text and vector indexes, staged or in force. What is missing of the latter a search makes."""
    rows = sum([part.segment.num_rows for part in state.parts])
    return {
        each.name: Backfill((searched_field(each),), indexed_rows(state, each), rows)
        for each in search_definitions(state.definition, staged=staged)
    }


def staged_indexes(state: TableState) -> list[tuple[str, tuple[str, ...]]]:
    """The indexes that are being prepared and cannot be queried yet: names and fields."""
    if state.definition is None:
        return []
    return [(index.name, index.fields) for index in state.definition.indexes if index.staged]
