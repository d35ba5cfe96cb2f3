"""What has been changed about a deployment, apart from its documents: what `dep.audit` gives."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from html import escape
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from convex_nb.deployment.jobs.moments import moment, to_times
from convex_nb.language.errors import ReadOnlyError
from convex_nb.services.audit_log import KEPT, TABLE, Event, events_of, note, trim, write_down

if TYPE_CHECKING:
    import pandas

    from convex_nb.engine.database import Database
    from convex_nb.engine.table import TableState
    from convex_nb.functions.registry import Registry

SHOWN: Final = 20


class Audit:
    """The newest thousand changes of the schema, crons, variables, providers, of tables, imports and pauses, and since
    it was opened those of functions.

    Oldest first. The deployment keeps them, in its file as well; functions are of this process. `.df()` has a row for
    each.
    """

    def __init__(self, database: Database, registry: Registry) -> None:
        self._database = database
        self._registry = registry
        self._here: deque[Event] = deque(maxlen=KEPT)
        self._writes = True
        self._paths = frozenset(registry.functions)
        self._read: tuple[TableState | None, list[Event]] = (None, [])
        database.on_writing.append(write_down)
        registry.on_change.append(self._redefined)

    def __iter__(self) -> Iterator[Event]:
        return iter(sorted([*self._kept(), *self._here], key=itemgetter(0))[-KEPT:])

    def __len__(self) -> int:
        return min(len(self._kept()) + len(self._here), KEPT)

    @property
    def newest(self) -> Event | None:
        """The newest change, the same object until there is another. Costs O(1) until then."""
        newest = [events[-1] for events in (self._kept(), self._here) if events]
        return max(newest, key=itemgetter(0)) if newest else None

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

    def note(self, what: str, name: str, action: str) -> None:
        """Add a change that no commit tells of; where nothing can be written, it is kept here alone."""
        try:
            note(self._database, what, name, action)
        except ReadOnlyError:
            self._note_here(what, name, action)

    def trim(self) -> None:
        """Let go of the oldest ones where there are too many. Costs O(1) where there are not."""
        if self._writes:
            try:
                trim(self._database)
            except ReadOnlyError:
                self._writes = False

    def _note_here(self, what: str, name: str, action: str) -> None:
        self._here.append(Event(self._database.clock.now_ns() / 1e6, what, name, action, ""))

    def _kept(self) -> list[Event]:
        head = self._database.head
        state = head.tables.get(TABLE)
        read, events = self._read
        if state is not read:
            events = events_of(head)
            # The same objects as before, where they are the same: whoever keeps the newest sees that it is.
            if events and self._read[1] and events[-1] == self._read[1][-1]:
                events[-1] = self._read[1][-1]
            self._read = (state, events)
        return events

    def _redefined(self, paths: frozenset[str]) -> None:
        now = frozenset(self._registry.functions)
        for path in sorted(paths):
            action = "removed" if path not in now else "changed" if path in self._paths else "added"
            self._note_here("function", path, action)
        self._paths = now

    def _rows(self) -> Sequence[tuple[str, ...]]:
        return [(moment(each.time_ms), *each[1:]) for each in reversed(list(self))][:SHOWN]
