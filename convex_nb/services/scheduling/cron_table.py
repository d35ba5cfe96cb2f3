"""Crons as documents: deploying a set of them, every change of their state, and the history of their runs.

A cron that waits has its next time. An action's run takes that away when it starts, so that no second run can; its end
gives the next one. Times that have passed meanwhile are skipped.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key, successor
from convex_nb.language.ordering import same_value
from convex_nb.language.values import UNDEFINED
from convex_nb.services.scheduling.cron_schedule import MOST_COUNTED, Schedule
from convex_nb.services.scheduling.crons import not_a_query
from convex_nb.services.scheduling.scheduled_functions import INTERRUPTED

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.reading.system_reader import SystemWriter
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.registry import Registry
    from convex_nb.language.documents import Document
    from convex_nb.services.scheduling.crons import CronJobs

TABLE: Final = "_cron_jobs"
RUNS: Final = "_cron_runs"
KEPT_RUNS: Final = 100
"""Runs of each cron that can be looked at."""


class Wanted(NamedTuple):
    """A cron as it is to be deployed, its function found."""

    path: str
    args: dict[str, Any]
    schedule: Schedule


class Change(NamedTuple):
    """What deploying has done to one cron."""

    what: str
    name: str
    path: str


def check_crons(crons: CronJobs, registry: Registry) -> dict[str, Wanted]:
    """The crons by name, their functions found. Raises `FunctionNotFoundError` and `SchedulingError`."""
    wanted = {}
    for job in crons.jobs.values():
        entry = registry.resolve(job.function)
        if entry.function.kind == "query":
            raise not_a_query(job.name, entry.path)
        wanted[job.name] = Wanted(entry.path, job.args, job.schedule)
    return wanted


def deploy(writer: SystemWriter, wanted: Mapping[str, Wanted], now_ms: float) -> list[Change]:
    """Put a set of crons in the place of the one that is there. One that is the same keeps its next time."""
    changes = []
    stored = {cron["name"]: cron for cron in writer.query(TABLE).collect()}
    for name, cron in stored.items():
        if name not in wanted:
            for run in writer.query(RUNS).with_index("by_name", name=name).collect():
                writer.delete(run["_id"])
            writer.delete(cron["_id"])
            changes.append(Change("deleted", name, cron["function"]))
    for name, (path, args, schedule) in wanted.items():
        fields = {"function": path, "args": [args], "schedule": schedule.stored()}
        former = stored.get(name)
        if former is None:
            pending = {"state": {"kind": "pending"}, "nextRun": schedule.first_ms(now_ms)}
            writer.insert(TABLE, {"name": name, **fields, **pending})
            changes.append(Change("added", name, path))
        elif not all(same_value(former[field], value) for field, value in fields.items()):
            # One that runs gets its next time when it ends.
            waits = former["state"]["kind"] == "pending"
            writer.patch(former["_id"], {**fields, **({"nextRun": schedule.first_ms(now_ms)} if waits else {})})
            changes.append(Change("updated", name, path))
    return changes


def skip_missed(writer: SystemWriter, now_ms: float) -> list[tuple[str, str]]:
    """Let crons go on from now, without the runs that were due; what to say of which function's."""
    said = []
    for cron in list(writer.query(TABLE).collect()):
        time_ms = cron.get("nextRun")
        if time_ms is not None and time_ms <= now_ms:
            next_ms, missed = Schedule.of(cron["schedule"]).following(time_ms, now_ms)
            writer.patch(cron["_id"], {"nextRun": next_ms})
            said.append((cron["function"], _skipped(cron["name"], missed + 1, "the deployment was paused")))
    return said


def end_interrupted(
    writer: SystemWriter, now_ms: float, kernels: Container[str | None] = ()
) -> list[tuple[str, str | None]]:
    """End the runs that a former process has left in progress; what to say of which function's.

    ``kernels`` are those that are still there: what they are at goes on.
    """
    states = [(cron, cron["state"]) for cron in writer.query(TABLE).collect()]
    crons = [cron for cron, s in states if s["kind"] == "inProgress" and s.get("kernel") not in kernels]
    return [(cron["function"], CronRun(cron).end(writer, now_ms, INTERRUPTED)) for cron in crons]


def claim_crons(writer: SystemWriter, kernel: str) -> None:
    """Note of the runs in progress that they are in this kernel, where no kernel is noted."""
    for cron in list(writer.query(TABLE).collect()):
        if cron["state"]["kind"] == "inProgress" and "kernel" not in cron["state"]:
            writer.patch(cron["_id"], {"state": {**cron["state"], "kernel": kernel}})


class CronRun:
    """One run of one cron, as a task of the executor."""

    __slots__ = ("args", "born_ms", "due_ms", "id", "name", "path")

    def __init__(self, cron: Document) -> None:
        self.id: str = cron["_id"]
        self.name: str = cron["name"]
        self.path: str = cron["function"]
        self.args: dict[str, Any] = cron["args"][0]
        self.due_ms: float = cron["nextRun"] if "nextRun" in cron else cron["state"]["due"]
        self.born_ms: float = cron["_creationTime"]

    def is_waiting(self, writer: SystemWriter) -> bool:
        """Whether this very run is still to come, as far as this transaction sees."""
        cron = writer.get(self.id)
        return cron is not None and cron.get("nextRun") == self.due_ms

    def begin(self, writer: SystemWriter, kernel: Mapping[str, str]) -> None:
        """The action starts: whatever happens, this run is not repeated, and no other begins."""
        writer.patch(self.id, {"state": {"kind": "inProgress", "due": self.due_ms, **kernel}, "nextRun": UNDEFINED})

    def end(self, writer: SystemWriter, now_ms: float, error: str | None) -> str | None:
        """It is over: the next one gets its time. What there is to say of those that were missed."""
        cron = writer.get(self.id)
        if cron is None:
            return None
        next_ms, missed = Schedule.of(cron["schedule"]).following(self.due_ms, now_ms)
        writer.patch(self.id, {"state": {"kind": "pending"}, "nextRun": next_ms})
        state = {"kind": "success"} if error is None else {"kind": "failed", "error": error}
        runs = writer.query(RUNS).with_index("by_name", name=self.name)
        if runs.count() >= KEPT_RUNS:
            for run in runs.take(1):
                writer.delete(run["_id"])
        times = {"scheduledTime": self.due_ms, "completedTime": now_ms}
        writer.insert(RUNS, {"name": self.name, "function": self.path, **times, "state": state})
        reason = f"the run of {datetime.fromtimestamp(self.due_ms / 1e3, UTC):%Y-%m-%d %H:%M:%S} UTC ended after them"
        return _skipped(self.name, missed, reason) if missed else None


class Crons:
    """The crons that wait for their time, as a source of the executor's tasks."""

    def due(self, snapshot: Snapshot, now_ms: float) -> Iterator[CronRun]:
        """Those whose time has come, by time."""
        return map(CronRun, _waiting(snapshot, encode_key(0), successor(encode_key(now_ms))))

    def next_due_ms(self, snapshot: Snapshot, now_ms: float) -> float | None:
        """The first time after `now_ms` at which one is due."""
        cron = next(_waiting(snapshot, successor(encode_key(now_ms)), encode_key("")), None)
        return None if cron is None else float(cron["nextRun"])

    def tidy(self, database: Database, now_ms: float) -> None:
        """Nothing: each run that is over removes the oldest."""


def documents(snapshot: Snapshot, table: str, name: str | None = None) -> list[Document]:
    """The crons, or their runs, by name; all, or those of one name."""
    state = snapshot.table(table)
    if state is None:
        return []
    lo, hi = (MIN_KEY, MAX_KEY) if name is None else (encode_key(name), successor(encode_key(name)))
    return state.read(state.position("by_name"), lo, hi, None, False)


def _waiting(snapshot: Snapshot, lo: bytes, hi: bytes) -> Iterator[Document]:
    state = snapshot.table(TABLE)
    return iter(()) if state is None else state.scan(state.position("by_next_run"), lo, hi, False)


def _skipped(name: str, number: int, reason: str) -> str:
    runs = "1 run" if number == 1 else f"{number:,}{'' if number < MOST_COUNTED else ' or more'} runs"
    return f'The cron "{name}" skipped {runs}: {reason}.'
