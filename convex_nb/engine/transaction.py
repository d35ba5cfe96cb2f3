"""One execution's view of the database: a snapshot with its own writes laid over it, and a record of what it read."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.engine.namespaces import ROOT
from convex_nb.engine.part import Part
from convex_nb.engine.read_set import Interval, ReadSet
from convex_nb.engine.search.upkeep import prepare_searches
from convex_nb.engine.system_tables import definition_of
from convex_nb.engine.table import TableState
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.engine.usage import Usage
from convex_nb.engine.write import Write
from convex_nb.language.document_validation import to_document_fields
from convex_nb.language.documents import SYSTEM_FIELDS, Document, freeze, without_system_fields
from convex_nb.language.errors import DocumentNotFoundError, InvalidValueError, ReadOnlyError
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.limits import UNLIMITED
from convex_nb.language.values import UNDEFINED, Id

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.materialised import Materialised
    from convex_nb.engine.namespaces import Namespace
    from convex_nb.engine.reading.selection import Selection
    from convex_nb.engine.snapshot import Snapshot

_NONE: Final[frozenset[str]] = frozenset()
OVER: Final = (
    "The call that this `ctx.db` belongs to is over: nothing was read or written. Use the context inside the function "
    "that it was given to."
)
_IN_ERRORS: Final[Mapping[str, str]] = {"patch": "update"}
"""What the reference's errors call an operation, where that is not its name."""


class Savepoint(NamedTuple):
    """Where a sub-transaction began: what to go back to when it fails."""

    changed: dict[str, TableState]
    writes: dict[str, Write]
    created: dict[str, TableState]
    parts: tuple[tuple[str, Part], ...]
    replaced: frozenset[str]
    dropped: frozenset[str]


class Transaction:
    """Reads and buffered writes over one snapshot.

    A write is applied to a private version of its table at once, so reads see it through the ordinary path, a
    sub-transaction is undone by going back to a reference, and a commit that nobody raced publishes these very
    versions. Not for use by two threads at a time.
    """

    __slots__ = (
        "_dropped",
        "_iterations",
        "_parts",
        "_read_set",
        "_replaced",
        "_writes",
        "changed",
        "created",
        "database",
        "journal",
        "materialised",
        "over",
        "paginated",
        "snapshot",
        "usage",
        "writable",
    )

    def __init__(
        self, database: Database, snapshot: Snapshot, writable: bool, materialised: Materialised | None = None
    ) -> None:
        self.database = database
        self.snapshot = snapshot
        self.writable = writable
        self.materialised = materialised
        self._read_set = ReadSet()
        self._iterations: list[Callable[[], Interval | None]] = []
        # The tables that it wrote to, as it leaves them; those of them that did not exist before, empty. Plain
        # attributes, since a commit asks for them again and again.
        self.changed: dict[str, TableState] = {}
        self.created: dict[str, TableState] = {}
        self._writes: dict[str, Write] = {}
        self._parts: list[tuple[str, Part]] = []
        self._replaced: set[str] = set()
        self._dropped: set[str] = set()
        self.usage = Usage(database.limits)
        # Where an earlier run of the same query ended its page, or None; and where this one did, once it has.
        self.journal: str | None = None
        self.paginated = False
        # Whether the call that it belongs to has ended, so that what was kept of it reads nothing any more.
        self.over = False

    def check_going_on(self) -> None:
        """Raise ``ReadOnlyError`` where the call that this belongs to has ended."""
        if self.over:
            raise ReadOnlyError(OVER)

    # -- reading -----------------------------------------------------------------------------------------------

    def table(self, name: str) -> TableState | None:
        """The table as this transaction sees it."""
        if self.changed:
            state = self.changed.get(name)
            if state is not None:
                return state
        return self.snapshot.tables.get(name)

    def table_or_new(self, name: str) -> TableState:
        """The same, empty for a table that does not exist yet."""
        state = self.table(name)
        return self.database.new_table(name, self.snapshot.catalog) if state is None else state

    def get(self, id: str, table: str | None = None, namespace: Namespace = ROOT) -> Document | None:
        """The document with this id, or ``None``; recorded as a read either way. Raises ``InvalidIdError``.

        It has to be of a table of ``namespace``, which ``table`` is a name in; likewise below.
        """
        name = self.database.register.table_of(id, "get", table, namespace)
        self.usage.add_range()
        self._read_set.ids.add(id)
        state = None if name is None else self.table(name)
        document = None if state is None else state.get(id)
        if document is None:
            self.database.register.check(id, "get", namespace)
        else:
            self.usage.add_read((document,), 1)
        return document

    def scan(
        self, table: str, index: str, lo: bytes, hi: bytes, reverse: bool = False
    ) -> Generator[Document, None, None]:
        """Documents of an index range in order, read as they are asked for.

        What was consumed becomes the read set: the whole range when the iteration is exhausted, else up to and
        including the last document handed out.
        """
        self.usage.add_range()
        state = self.table(table)
        if state is None:
            self._record(Interval(table, BY_CREATION_TIME, MIN_KEY, MAX_KEY))
            return
        position = state.position(index)
        last: Document | None = None
        done = False

        def consumed() -> Interval | None:
            if done:
                return Interval(table, index, lo, hi)
            return None if last is None else _upto(state, position, lo, hi, reverse, last)

        self._iterations.append(consumed)
        try:
            for document in state.scan(position, lo, hi, reverse):
                last = document
                self.usage.add_read((document,), 1)
                yield document
            done = True
        finally:
            self._iterations.remove(consumed)
            self._record(consumed())

    def read(
        self, table: str, index: str, lo: bytes, hi: bytes, reverse: bool = False, limit: int | None = None
    ) -> list[Document]:
        """The first ``limit`` documents of an index range (all, for ``None``), recorded exactly as ``scan`` does."""
        self.usage.add_range()
        state = self.table(table)
        if state is None:
            self._record(Interval(table, BY_CREATION_TIME, MIN_KEY, MAX_KEY))
            return []
        position = state.position(index)
        left = self.usage.documents_left()
        if limit is None and left >= UNLIMITED // 2:
            if self.materialised is not None and table not in self.changed:
                documents = self.materialised.read(self.snapshot, state, position, lo, hi, reverse)
            else:
                documents = state.read(position, lo, hi, None, reverse)
        else:
            # One more than is allowed is enough to know that the limit is passed.
            most = left + 1 if limit is None else min(limit, left + 1)
            documents = state.read(position, lo, hi, most, reverse)
        if limit is None or len(documents) < limit:
            self._record(Interval(table, index, lo, hi))
        elif limit:
            self._record(_upto(state, position, lo, hi, reverse, documents[-1]))
        # Last: a query that read too much depends on what it read, and recovers when that becomes less.
        self.usage.add_read(documents, len(documents))
        return documents

    def count(self, table: str, index: str, lo: bytes, hi: bytes) -> int:
        """How many documents an index range holds; depends on the whole range, reads no document."""
        self.usage.add_range()
        state = self.table(table)
        if state is None:
            self._record(Interval(table, BY_CREATION_TIME, MIN_KEY, MAX_KEY))
            return 0
        position = state.position(index)
        self._record(Interval(table, index, lo, hi))
        return state.count(position, lo, hi)

    def select(
        self, table: str, index: str, lo: bytes, hi: bytes, reverse: bool = False, *, continued: bool = False
    ) -> Selection | None:
        """The documents of an index range, none of them read yet: `consume` says how many were looked at.

        ``None`` for a table that does not exist, of which the whole is recorded. ``continued``: an earlier call has
        counted this range.
        """
        from convex_nb.engine.reading.selection import Selection

        if not continued:
            self.usage.add_range()
        state = self.table(table)
        if state is None:
            self._record(Interval(table, BY_CREATION_TIME, MIN_KEY, MAX_KEY))
            return None
        return Selection(state, state.position(index), lo, hi, reverse)

    def consume(self, selection: Selection, number: int | None = None) -> None:
        """Record that the first ``number`` documents of a selection were read; ``None``: all, and that these are all.

        Raises ``LimitError``. For transactions whose limits do not count bytes.
        """
        state, position, lo, hi = selection.state, selection.position, selection.lo, selection.hi
        if number is None:
            self._record(Interval(state.name, state.indexes[position].name, lo, hi))
        elif number:
            self._record(_upto(state, position, lo, hi, selection.reverse, selection.document(number - 1)))
        read = len(selection) if number is None else number
        # One more than is allowed is enough to know that the limit is passed.
        self.usage.add_read((), min(read, self.usage.documents_left() + 1))

    @property
    def read_set(self) -> ReadSet:
        """What was read so far; an iteration that is not over yet counts as far as it has come."""
        for consumed in self._iterations:
            self._record(consumed())
        return self._read_set

    def depend_on(self, intervals: Iterable[Interval]) -> None:
        """Record what was read in another way than by a range of an index."""
        self._read_set.intervals.extend(intervals)

    def _record(self, interval: Interval | None) -> None:
        if interval is not None:
            self._read_set.intervals.append(interval)

    # -- writing -----------------------------------------------------------------------------------------------

    def insert(self, table: str, fields: Mapping[str, Any]) -> Id:
        """Add a document and return its id. The table comes into being with its first document."""
        state = self._writable_table(table)
        normalised = self.normalised(state, fields)
        id, time = self.database.mint.identity(state.number, table)
        document = freeze({"_id": id, "_creationTime": time, **normalised})
        self._write(state, Write(table, id, None, document, None, state.keys_of(document)))
        return id

    def put(self, table: str, document: Mapping[str, Any]) -> None:
        """Add a document that brings its id and creation time; nothing about it is checked."""
        state = self._writable_table(table)
        self._read_set.ids.add(document["_id"])
        new = freeze(dict(document))
        self._write(state, Write(table, document["_id"], None, new, None, state.keys_of(new)))

    def patch(self, id: str, fields: Mapping[str, Any], table: str | None = None, namespace: Namespace = ROOT) -> None:
        """Merge ``fields`` into a document, shallowly; ``UNDEFINED`` removes a field."""
        state, old = self._existing("patch", id, table, namespace)
        if not isinstance(fields, Mapping):
            raise InvalidValueError(
                f"Invalid argument `value` for `db.patch`: it must be a dict, got {type(fields).__name__}."
            )
        merged = {**without_system_fields(old), **_checked_system_fields(fields, old)}
        self._replace(state, old, {key: value for key, value in merged.items() if value is not UNDEFINED})

    def replace(
        self, id: str, fields: Mapping[str, Any], table: str | None = None, namespace: Namespace = ROOT
    ) -> None:
        """Put ``fields`` in place of everything but the system fields of a document."""
        state, old = self._existing("replace", id, table, namespace)
        if not isinstance(fields, Mapping):
            raise InvalidValueError(
                f"Invalid argument `value` for `db.replace`: it must be a dict, got {type(fields).__name__}."
            )
        self._replace(state, old, _checked_system_fields(fields, old))

    def delete(self, id: str, table: str | None = None, namespace: Namespace = ROOT) -> None:
        """Remove a document."""
        state, old = self._existing("delete", id, table, namespace)
        self._write(state, Write(state.name, old["_id"], old, None, state.keys_of(old), None))

    def add_part(self, table: str, part: Part, replace: bool = False) -> None:
        """Add a whole segment made for this table (the bulk path), after removing what is there if asked to.

        Costs O(rows) if the table is searched, else next to nothing.
        """
        state = self._writable_table(table)
        if replace:
            state = state.empty()
            self._replaced.add(table)
        prepare_searches(part.segment, state.definition)
        self._parts.append((table, part))
        self.changed[table] = state.with_part(part)

    def recreate(self, table: str, number: int | None = None) -> None:
        """Remove what is in a table; with ``number`` the ids that it makes are of that one from now on."""
        state = self.table(table)
        if number is None or (state is not None and state.number == number):
            state = self._writable_table(table)
        else:
            definition = definition_of(table, self.snapshot.catalog.schema)
            state = self.created[table] = TableState.create(table, number, definition)
        self._replaced.add(table)
        self.changed[table] = state.empty()

    def drop(self, table: str) -> None:
        """Remove a table that exists, and what is in it; the last thing that a transaction does with it."""
        self.recreate(table)
        self._dropped.add(table)

    def _replace(self, state: TableState, old: Document, fields: Mapping[str, Any]) -> None:
        normalised = self.normalised(state, fields)
        document = freeze({"_id": old["_id"], "_creationTime": old["_creationTime"], **normalised})
        self._write(state, Write(state.name, old["_id"], old, document, state.keys_of(old), state.keys_of(document)))

    def _writable_table(self, name: str) -> TableState:
        if not self.writable:
            raise ReadOnlyError(f"a query cannot write to the table {name!r}: nothing was written. Use a mutation.")
        self.usage.enter()
        state = self.table(name)
        if state is None:
            state = self.database.new_table(name, self.snapshot.catalog)
            self.created[name] = state
        return state

    def _existing(
        self, operation: str, id: str, table: str | None, namespace: Namespace
    ) -> tuple[TableState, Document]:
        if not self.writable:
            raise ReadOnlyError(f"a query cannot {operation} a document: nothing was written. Use a mutation.")
        self.usage.enter()
        name = self.database.register.table_of(id, operation, table, namespace)
        state = None if name is None else self.table(name)
        # A blind write by id reads the id: two of them on one document must not both succeed unseen.
        self._read_set.ids.add(id)
        old = None if state is None else state.get(id)
        if old is None or state is None:
            self.database.register.check(id, operation, namespace)
            attempt = namespace.operations + _IN_ERRORS.get(operation, operation)
            raise DocumentNotFoundError(
                f"{attempt.capitalize()} on nonexistent document ID {id}"
                + (f' in table "{name}"' if name is not None else "")
                + ": it was never inserted or has been deleted. Nothing was written.",
                document_id=id,
                table=name,
            )
        return state, old

    def normalised(self, state: TableState, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """The fields as a document of this table would have them. Raises what storing them raises."""
        definition = state.definition
        if definition is None or not self.database.validates(self.snapshot, state.name):
            return to_document_fields(fields, limits=self.database.limits)
        return definition.validate(fields, table_name=state.name, tables=self.database.table_names)

    def _write(self, state: TableState, write: Write) -> None:
        self.changed[write.table] = state.apply(write)
        earlier = self._writes.get(write.id)
        if earlier is not None:
            write = Write(write.table, write.id, earlier.old, write.new, earlier.old_keys, write.new_keys)
        self._writes[write.id] = write
        self.usage.add_write(write.new)

    # -- what it amounts to ------------------------------------------------------------------------------------

    def savepoint(self) -> Savepoint:
        """Where to go back to if what follows fails. Costs O(documents written so far)."""
        created = dict(self.created)
        return Savepoint(dict(self.changed), dict(self._writes), created, self.parts, self.replaced, self.dropped)

    def rollback_to(self, savepoint: Savepoint) -> None:
        """Undo the writes since ``savepoint``; the reads since then stay in the read set."""
        self.changed = dict(savepoint.changed)
        self._writes = dict(savepoint.writes)
        self.created = dict(savepoint.created)
        self._parts = list(savepoint.parts)
        self._replaced = set(savepoint.replaced)
        self._dropped = set(savepoint.dropped)

    @property
    def writes(self) -> tuple[Write, ...]:
        """The net changes so far: a document that was inserted and deleted again is not among them."""
        return tuple([write for write in self._writes.values() if write.old is not None or write.new is not None])

    @property
    def parts(self) -> tuple[tuple[str, Part], ...]:
        """The segments added, by table."""
        return tuple(self._parts)

    @property
    def replaced(self) -> frozenset[str]:
        """The tables whose earlier content was removed."""
        return frozenset(self._replaced) if self._replaced else _NONE

    @property
    def dropped(self) -> frozenset[str]:
        """Those of them that do not exist any more."""
        return frozenset(self._dropped) if self._dropped else _NONE

    @property
    def has_writes(self) -> bool:
        """Whether there is anything to commit: a document inserted and deleted again is nothing."""
        for write in self._writes.values():
            if write.old is not None or write.new is not None:
                return True
        return bool(self._parts or self._replaced)


def _upto(state: TableState, position: int, lo: bytes, hi: bytes, reverse: bool, last: Document) -> Interval:
    """What a read of a range has consumed that stopped at ``last``."""
    index = state.indexes[position]
    key = index.key_of(last)
    return Interval(state.name, index.name, key, hi) if reverse else Interval(state.name, index.name, lo, key + b"\x00")


def _checked_system_fields(fields: Mapping[str, Any], old: Document) -> Mapping[str, Any]:
    """``fields`` without the system fields, which may be there only with the values that they have."""
    if "_id" not in fields and "_creationTime" not in fields:
        return fields
    for name in SYSTEM_FIELDS:
        if name in fields and fields[name] is not UNDEFINED and fields[name] != old[name]:
            raise InvalidValueError(
                f"The field {name!r} cannot be changed: {fields[name]!r} does not match the document's {old[name]!r}. "
                "Nothing was written. Leave system fields out.",
                path=f".{name}",
                value=fields[name],
            )
    return without_system_fields(fields)
