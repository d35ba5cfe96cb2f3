"""What has been changed about a deployment, apart from its documents: what `dep.audit` gives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.deployment.jobs.moments import moment, to_times
from convex_nb.language.ordering import same_value
from convex_nb.services.authentication.providers import TABLE as PROVIDERS
from convex_nb.services.environment import TABLE as VARIABLES
from convex_nb.services.scheduling.cron_table import TABLE as CRONS

if TYPE_CHECKING:
    import pandas

    from convex_nb.engine.commit import Commit
    from convex_nb.engine.database import Database
    from convex_nb.functions.registry import Registry

KEPT: Final = 1000
SHOWN: Final = 20
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


class Audit:
    """The newest thousand changes of functions, the schema, crons, variables, providers, of imports and pauses.

    Oldest first, since the deployment was opened. `.df()` has a row for each.
    """

    def __init__(self, database: Database, registry: Registry) -> None:
        self._database = database
        self._registry = registry
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._schema = database.head.schema
        self._paths = frozenset(registry.functions)
        database.on_commit.append(self._committed)
        registry.on_change.append(self._redefined)

    def __iter__(self) -> Iterator[Event]:
        self.look()
        return iter(tuple(self._events))

    def __len__(self) -> int:
        self.look()
        return len(self._events)

    @property
    def newest(self) -> Event | None:
        """The newest change, the same object until there is another. Costs O(1)."""
        self.look()
        return self._events[-1] if self._events else None

    def __repr__(self) -> str:
        rows = ["  ".join(row) for row in self._rows()]
        return "\n".join(rows) or "nothing has been changed"

    def _repr_html_(self) -> str:
        head = "".join([f"<th>{name}</th>" for name in ("time (UTC)", "what", "name", "was", "")])
        rows = "".join(
            ["<tr>" + "".join([f"<td>{escape(text)}</td>" for text in row]) + "</tr>" for row in self._rows()]
        )
        return f"<table><tr>{head}</tr>{rows}</table>" if rows else f"<p>{self!r}</p>"

    def df(self) -> pandas.DataFrame:
        """A row for each change: `time` (UTC), `what`, `name`, `action`, `detail`."""
        import pandas as pd

        return to_times(pd.DataFrame(list(self), columns=["time", *Event._fields[1:]]), "time")

    def note(self, what: str, name: str, action: str, detail: str = "") -> None:
        """Add a change that no commit tells of."""
        self._events.append(Event(self._database.clock.now_ns() / 1e6, what, name, action, detail))

    def look(self) -> None:
        """Take over a schema that was pushed."""
        former, schema = self._schema, self._database.head.schema
        if former is schema:
            return
        self._schema = schema
        if schema is None:
            self.note("schema", "", "removed")
        elif former is None:
            self.note("schema", ", ".join(schema.tables), "added")
        else:
            for change in former.diff(schema):
                self.note("schema", change.table or change.name, change.action, str(change)[2:])

    # Called inside commits: a name of a table that is not there costs a look-up, and all others nothing more.
    def _committed(self, commit: Commit) -> None:
        if self._schema is not self._database.head.schema:
            self.look()
        if commit.parts or commit.replaced:
            self._imported(commit)
        if not _FIELDS.keys().isdisjoint(commit.indexes):
            for write in commit.writes:
                if write.table in _FIELDS:
                    self._set_up(write.table, write.old, write.new)

    def _imported(self, commit: Commit) -> None:
        rows = {name: part.segment.num_rows for name, part in commit.parts}
        for name in sorted(rows.keys() | commit.replaced):
            if name in commit.dropped:
                self.note("table", name, "dropped")
                continue
            action = "replaced" if name in commit.replaced else "added to"
            self.note("import", name, action, f"{rows.get(name, 0):,} documents")

    def _set_up(self, table: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> None:
        what, name, fields = _FIELDS[table]
        document = old if new is None else new
        assert document is not None
        if old is not None and new is not None:
            if all(same_value(old.get(field), new.get(field)) for field in fields):
                return
            action = "changed"
        else:
            action = "removed" if new is None else "added"
        detail = str(document.get("function", "")) if table == CRONS else ""
        self.note(what, str(document.get(name) or document.get("domain", "")), action, detail)

    def _redefined(self, paths: frozenset[str]) -> None:
        now = frozenset(self._registry.functions)
        for path in sorted(paths):
            action = "removed" if path not in now else "changed" if path in self._paths else "added"
            self.note("function", path, action)
        self._paths = now

    def _rows(self) -> Sequence[tuple[str, ...]]:
        return [(moment(each.time_ms), *each[1:]) for each in reversed(list(self))][:SHOWN]
