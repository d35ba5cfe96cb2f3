"""What is changed about a deployment, apart from its documents: written down by the commit that changes it.

It is a system table, so that it is in the file, in backups and in forks, and goes on when the file is opened again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.engine.reading.system_reader import SystemWriter
from convex_nb.engine.system_tables import is_system_table
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.ordering import same_value
from convex_nb.services.authentication.providers import TABLE as PROVIDERS
from convex_nb.services.environment import TABLE as VARIABLES
from convex_nb.services.scheduling.cron_table import TABLE as CRONS
from convex_nb.services.system_writes import write_system
from convex_nb.services.transfer.table_numbers import SOURCE as IMPORT
from convex_nb.services.whole_tables import CLEAR

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.transaction import Transaction
    from convex_nb.language.schema import SchemaDefinition

TABLE: Final = "_audit_log"
KEPT: Final = 1000
"""So many of the newest events are kept at least, and less than twice as many."""
_FIELDS: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    VARIABLES: ("environment variable", "name", ("value",)),
    CRONS: ("cron", "name", ("function", "args", "schedule")),
    PROVIDERS: ("auth provider", "issuer", ("type", "issuer", "domain", "applicationID", "jwks")),
}
"""What the documents of a table are, the field that names one, and those whose change is one of what was set up."""


class Event(NamedTuple):
    """One change."""

    time_ms: float
    """When, milliseconds since the epoch."""
    what: str
    """`"function"`, `"schema"`, `"cron"`, `"environment variable"`, `"auth provider"`, `"import"`, `"table"` or
    `"deployment"`."""
    name: str
    """Which one: a path, a table, a name."""
    action: str
    """What was done to it: `"added"`, `"changed"`, `"removed"`, `"paused"` and the like."""
    detail: str
    """What else there is to say. Values of environment variables are not."""


def write_down(transaction: Transaction, former: SchemaDefinition | None, source: str) -> None:
    """Have a transaction that is about to be committed say what it changes; `former` is the schema before it.

    Costs a few look-ups for those that change nothing of the kind.
    """
    whole_tables = transaction.replaced or transaction.parts
    if transaction.snapshot.schema is former and not whole_tables and _FIELDS.keys().isdisjoint(transaction.changed):
        return
    writer = SystemWriter(transaction)
    for what, name, action, detail in list(_events(transaction, former, source)):
        writer.insert(TABLE, {"what": what, "name": name, "action": action, "detail": detail})


def note(database: Database, what: str, name: str, action: str, detail: str = "") -> None:
    """Write down what no other commit tells of."""
    event = {"what": what, "name": name, "action": action, "detail": detail}
    write_system(database, lambda writer: writer.insert(TABLE, event), "audit")


def trim(database: Database) -> None:
    """Delete the oldest events once there are twice as many as are kept. Costs O(1) as long as there are not."""
    if len(database.head.tables.get(TABLE, ())) >= 2 * KEPT:
        write_system(database, _trim, "audit")


def _trim(writer: SystemWriter) -> None:
    events = writer.query(TABLE).collect()
    for each in events[:-KEPT]:
        writer.delete(each["_id"])


def events_of(snapshot: Snapshot) -> list[Event]:
    """The events that were written down, oldest first. Costs O(events)."""
    state = snapshot.tables.get(TABLE)
    documents = [] if state is None else state.read(1, MIN_KEY, MAX_KEY, None, reverse=False)
    return [Event(each["_creationTime"], *(each[field] for field in Event._fields[1:])) for each in documents]


def _events(
    transaction: Transaction, former: SchemaDefinition | None, source: str
) -> Iterator[tuple[str, str, str, str]]:
    schema = transaction.snapshot.schema
    if schema is not former:
        yield from _pushed(former, schema)
    if transaction.dropped or (source in (IMPORT, CLEAR) and (transaction.parts or transaction.replaced)):
        yield from _imported(transaction)
    if not _FIELDS.keys().isdisjoint(transaction.changed):
        for write in transaction.writes:
            if write.table in _FIELDS:
                yield from _set_up(write.table, write.old, write.new)


def _pushed(former: SchemaDefinition | None, schema: SchemaDefinition | None) -> Iterator[tuple[str, str, str, str]]:
    if schema is None:
        yield "schema", "", "removed", ""
    elif former is None:
        yield "schema", ", ".join(schema.tables), "added", ""
    else:
        for change in former.diff(schema):
            yield "schema", change.table or change.name, change.action, str(change)[2:]


def _imported(transaction: Transaction) -> Iterator[tuple[str, str, str, str]]:
    rows = {name: part.segment.num_rows for name, part in transaction.parts}
    for name in sorted(rows.keys() | transaction.replaced):
        if name in transaction.dropped:
            yield "table", name, "dropped", ""
        elif not is_system_table(name):
            number = rows.get(name, 0)
            replaced = name in transaction.replaced
            action = "added to" if not replaced else "replaced" if number else "cleared"
            yield "import" if number else "table", name, action, f"{number:,} documents" if number else ""


def _set_up(
    table: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None
) -> Iterator[tuple[str, str, str, str]]:
    what, name, fields = _FIELDS[table]
    document = old if new is None else new
    assert document is not None
    action = "removed" if new is None else "added" if old is None else "changed"
    if old is None or new is None or not all(same_value(old.get(field), new.get(field)) for field in fields):
        detail = str(document.get("function", "")) if table == CRONS else ""
        yield what, str(document.get(name) or document.get("domain", "")), action, detail
