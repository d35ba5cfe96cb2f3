"""Scheduled functions as a whole: what `dep.schedules` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Final

from convex_nb.deployment.jobs.crons import Crons
from convex_nb.deployment.jobs.moments import moment, to_times
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.functions.paths import usual_spelling
from convex_nb.language.describing import describe
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key, successor
from convex_nb.language.qualified_names import qualified
from convex_nb.services.scheduling.scheduled_functions import (
    SOURCE,
    SWEPT_AT_ONCE,
    TABLE,
    cancel_all,
    cancel_job,
    check_job_id,
)
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    import pandas

    from convex_nb.deployment.jobs.scheduling import Scheduling
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.language.documents import Document

SHOWN: Final = 20
FINISHED: Final = ("success", "failed", "canceled")
Row = tuple[str, str, str, str]


class Jobs(Mapping[str, "Document"]):
    """Jobs by id, as of the newest commit whenever it is asked; those of one state in the order of their times."""

    def __init__(self, snapshot: Callable[[], Snapshot], states: tuple[str, ...] = (), component: str = "") -> None:
        self._snapshot = snapshot
        self._states = states
        self._component = component
        self._table = qualified(component, TABLE)

    def __getitem__(self, id: str) -> Document:
        table = self._snapshot().table(self._table)
        job = table.get(id) if table is not None and isinstance(id, str) else None
        if job is None or (self._states and job["state"]["kind"] not in self._states):
            raise KeyError(id)
        return job

    def __iter__(self) -> Iterator[str]:
        return iter([job["_id"] for job in self._documents()])

    def __len__(self) -> int:
        table = self._snapshot().table(self._table)
        if table is None:
            return 0
        by_state = table.position("by_state")
        return sum([table.count(by_state, lo, hi) for lo, hi in self._ranges()]) if self._states else len(table)

    def __repr__(self) -> str:
        rows = [f"{time}  {state}  {name}({args})" for time, state, name, args in self._rows()]
        return "\n".join(rows + self._more()) or "no scheduled functions"

    def _repr_html_(self) -> str:
        head = "".join([f"<th>{name}</th>" for name in ("time (UTC)", "state", "function", "arguments")])
        rows = "".join(
            ["<tr>" + "".join([f"<td>{escape(text)}</td>" for text in row]) + "</tr>" for row in self._rows()]
        )
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else ""
        return table + "".join([f"<p>{escape(line)}</p>" for line in self._more()]) or "<p>no scheduled functions</p>"

    def df(self) -> pandas.DataFrame:
        """The jobs as a DataFrame: `id`, `name`, `state`, `scheduled`, `completed` (UTC), `error`, `args`."""
        import pandas as pd

        rows = [
            (
                job["_id"],
                job["name"],
                job["state"]["kind"],
                job["scheduledTime"],
                job.get("completedTime"),
                job["state"].get("error"),
                job["args"][0],
            )
            for job in self._documents()
        ]
        frame = pd.DataFrame(rows, columns=["id", "name", "state", "scheduled", "completed", "error", "args"])
        return to_times(frame, "scheduled", "completed")

    def _ranges(self) -> list[tuple[bytes, bytes]]:
        prefixes = [encode_key(state) for state in self._states]
        return [(prefix, successor(prefix)) for prefix in prefixes]

    def _documents(self) -> Iterator[Document]:
        table = self._snapshot().table(self._table)
        if table is None:
            return
        if not self._states:
            yield from table.scan(table.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY, False)
        for lo, hi in self._ranges():
            yield from table.scan(table.position("by_state"), lo, hi, False)

    def _rows(self) -> list[Row]:
        documents = self._documents()
        return [_row(job) for job, _ in zip(documents, range(SHOWN), strict=False)]

    def _more(self) -> list[str]:
        more = len(self) - SHOWN
        return [f"and {more:,} more; all: .df()"] if more > 0 else []


class Schedules(Jobs):
    """All jobs by id: `.pending`, `.in_progress` and `.finished` are those in a state; `.cancel` and `.cancel_all`.

    They are the application's, or a component's. `.crons` are what runs again and again, by name.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], scheduling: Scheduling, component: str = "") -> None:
        super().__init__(snapshot, (), component)
        self._scheduling = scheduling

    @property
    def pending(self) -> Jobs:
        """Those that wait for their time."""
        return Jobs(self._snapshot, ("pending",), self._component)

    @property
    def in_progress(self) -> Jobs:
        """The actions that run."""
        return Jobs(self._snapshot, ("inProgress",), self._component)

    @property
    def finished(self) -> Jobs:
        """Those that are over; they are kept for seven days."""
        return Jobs(self._snapshot, FINISHED, self._component)

    @property
    def crons(self) -> Crons:
        """What runs again and again, by name."""
        return Crons(self._snapshot)

    @property
    def lag_ms(self) -> float:
        """How late the first of those that wait is, in milliseconds; 0 if none is."""
        first = next(iter(self.pending.values()), None)
        now = self._scheduling.executor.now_ms()
        return 0.0 if first is None else max(0.0, now - first["scheduledTime"])

    def newest_finished(self, number: int) -> list[Document]:
        """The jobs that ended last, the newest first."""
        table = self._snapshot().table(self._table)
        if table is None:
            return []
        position = table.position("by_completed_time")
        return table.read(position, encode_key(0), encode_key(""), number, True)

    def cancel(self, id: str) -> bool:
        """Let a job not run; whether it was not over yet. What a running action schedules will not run either.

        Raises `InvalidIdError`.
        """
        self._snapshot()
        scheduling = self._scheduling
        check_job_id(scheduling.database, id, self._component)
        now = scheduling.executor.now_ms()
        canceled = write_system(scheduling.database, lambda writer: cancel_job(writer, id, now), SOURCE)
        scheduling.after_commit()
        return canceled

    def cancel_all(self, path: str | None = None) -> int:
        """Cancel every job of a function, or of all, that is not over; how many there were.

        Of all, but for those that follow another job (`run_when_over`): they run when that is over, canceled or not.
        """
        self._snapshot()
        scheduling = self._scheduling
        now = scheduling.executor.now_ms()
        name = None if path is None else qualified(self._component, usual_spelling(path))
        total, number = 0, SWEPT_AT_ONCE
        # Fewer are all that there were: what comes after that was not meant.
        while number == SWEPT_AT_ONCE:
            number = write_system(
                scheduling.database, lambda writer: cancel_all(writer, name, now), SOURCE, self._component
            )
            total += number
        scheduling.after_commit()
        return total

    @property
    def running(self) -> frozenset[str]:
        """The ids of what is being run in this process."""
        return self._scheduling.executor.running

    def run_due(self) -> None:
        """Run what is due now, on this thread: for a deployment whose clock is moved by hand."""
        self._snapshot()
        self._scheduling.run_due()

    def hold(self) -> None:
        """Start nothing in this process: what is scheduled waits for the next one that opens the file."""
        self._snapshot()
        self._scheduling.hold()

    def wait(self, timeout: float | None = None) -> bool:
        """Return when all that is due has run, what that has scheduled for at once too, or after so many seconds.

        Whether all has. What is due later is not waited for; nor is anything in a pause (`dep.pause()`), where nothing
        begins. Where the clock is moved by hand, what is due begins then: this waits for what runs. Raises
        `SchedulingError` in a function that would wait for itself.
        """
        self._snapshot()
        return self._scheduling.wait(timeout)


def _row(job: Document) -> Row:
    state = job["state"]
    args = ", ".join([f"{name}={describe(value, 40)}" for name, value in job["args"][0].items()])
    error = f": {state['error']}" if "error" in state else ""
    return moment(job["scheduledTime"]), state["kind"] + error, job["name"], args
