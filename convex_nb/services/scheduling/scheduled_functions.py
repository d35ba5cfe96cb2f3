"""Scheduled functions as documents: how one comes into being, and every change of its state.

`pending` becomes `success` with the commit of a mutation, or `failed`; with an action it is `inProgress` before that,
committed before the action starts. `canceled` is where both may end instead.
"""

from __future__ import annotations

import heapq
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.namespaces import tables_called
from convex_nb.language.describing import shorten
from convex_nb.language.errors import InvalidIdError
from convex_nb.language.keys import encode_key, successor
from convex_nb.language.qualified_names import component_of, qualified
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from convex_nb.engine.database import Database
    from convex_nb.engine.reading.system_reader import SystemWriter
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.table import TableState
    from convex_nb.language.documents import Document
    from convex_nb.language.values import Id

TABLE: Final = "_scheduled_functions"
KEPT_MS: Final = 7 * 86_400_000.0
"""How long a job can be looked at once it is over."""
SWEPT_AT_ONCE: Final = 1000
SOURCE: Final = "scheduler"
"""What others that conflict with the system's own commits are told."""
INTERRUPTED: Final = (
    "The process ended while this action was running. It may have done a part of its work, and is not run again."
)
NOT_CANCELED: Final = "Nothing was canceled."
_PENDING: Final = encode_key("pending")


def add_job(writer: SystemWriter, path: str, args: Mapping[str, Any], due_ms: float, follows: str | None = None) -> Id:
    """Add a job that waits for its time; return its id."""
    job = {"name": path, "args": [args], "scheduledTime": due_ms, "state": {"kind": "pending"}}
    return writer.insert(TABLE, job if follows is None else {**job, "follows": follows})


def add_follower(writer: SystemWriter, path: str, args: Mapping[str, Any], of: str, now_ms: float, due_ms: float) -> Id:
    """Add a job that is due when another one is over, and at `due_ms` if that is earlier; return its id."""
    job = writer.get(of) if due_ms > now_ms else None
    waits = job is not None and job["state"]["kind"] in ("pending", "inProgress")
    id = add_job(writer, path, args, due_ms if waits else now_ms, of)
    if job is not None and waits:
        writer.patch(of, {"followers": [*job.get("followers", ()), id]})
    return id


def cancel_job(writer: SystemWriter, id: str, now_ms: float) -> bool:
    """Cancel a job that is not over; whether it was one."""
    job = writer.get(id)
    if job is None or job["state"]["kind"] not in ("pending", "inProgress"):
        return False
    writer.patch(id, {"state": {"kind": "canceled"}, "completedTime": now_ms})
    if job["state"]["kind"] == "pending":
        # One that runs goes on to its end, and has its followers wait for that.
        _hasten_followers(writer, job, now_ms)
    return True


def cancel_all(writer: SystemWriter, path: str | None, now_ms: float) -> int:
    """Cancel jobs of a function, or of all, that are not over: a thousand at most; how many.

    Of all, but for those that follow another job: they are to run however that ends.
    """
    jobs: list[Document] = []
    for kind in ("pending", "inProgress"):
        equal = {"state.kind": kind} if path is None else {"name": path, "state.kind": kind}
        query = writer.query(TABLE).with_index("by_state" if path is None else "by_name", **equal)
        meant = query if path is not None else (job for job in query if "follows" not in job)
        jobs += islice(meant, SWEPT_AT_ONCE - len(jobs))
    for job in jobs:
        cancel_job(writer, job["_id"], now_ms)
    return len(jobs)


def check_job_id(
    database: Database, id: object, component: str = "", *, what: str = "cancel()", nothing: str = NOT_CANCELED
) -> None:
    """Raise `InvalidIdError` for what is not the id of a job of this component, whether or not there is one."""
    table = database.register.named_by(id)
    if table != qualified(component, TABLE):
        shown = f'an Id<"{table}">' if table is not None else shorten(repr(id), 80)
        raise InvalidIdError(
            f"{what} takes the id that `run_after` or `run_at` returned, not {shown}. {nothing}",
            id=id if isinstance(id, str) else repr(id),
            table=TABLE,
        )


def is_canceled(writer: SystemWriter, id: str) -> bool:
    """Whether a job has been canceled."""
    job = writer.get(id)
    return job is not None and job["state"]["kind"] == "canceled"


def job_tables(snapshot: Snapshot) -> list[TableState]:
    """The tables of jobs that there are: the application's, and those of components."""
    return [snapshot.tables[name] for name in tables_called(TABLE, snapshot.tables)]


def count_pending(jobs: TableState) -> int:
    """How many jobs wait for their time. Costs O(log jobs)."""
    return jobs.count(jobs.position("by_state"), _PENDING, successor(_PENDING))


def fail_interrupted(
    writer: SystemWriter, now_ms: float, kernels: Container[str | None] = ()
) -> list[tuple[str, str | None]]:
    """End the jobs that a former process has left in progress, a thousand at most; what to say of which function's.

    ``kernels`` are those that are still there: what they are at goes on.
    """
    found = writer.query(TABLE).with_index("by_state", lambda q: q.eq("state.kind", "inProgress")).take(SWEPT_AT_ONCE)
    jobs = [job for job in found if job["state"].get("kernel") not in kernels]
    for job in jobs:
        writer.patch(job["_id"], {"state": {"kind": "failed", "error": INTERRUPTED}, "completedTime": now_ms})
        _hasten_followers(writer, job, now_ms)
    return [(job["name"], f"{INTERRUPTED} (job {job['_id']})") for job in jobs]


def claim(writer: SystemWriter, kernel: str) -> None:
    """Note of the jobs in progress that they are in this kernel, where no kernel is noted."""
    for job in writer.query(TABLE).with_index("by_state", lambda q: q.eq("state.kind", "inProgress")).collect():
        if "kernel" not in job["state"]:
            writer.patch(job["_id"], {"state": {**job["state"], "kernel": kernel}})


def sweep(writer: SystemWriter, now_ms: float) -> int:
    """Remove jobs that have been over for long enough, a thousand at most; how many."""
    upto = now_ms - KEPT_MS
    over = writer.query(TABLE).with_index(
        "by_completed_time", lambda q: q.gte("completedTime", 0).lte("completedTime", upto)
    )
    jobs = over.take(SWEPT_AT_ONCE)
    for job in jobs:
        writer.delete(job["_id"])
    return len(jobs)


def next_sweep_ms(jobs: TableState) -> float | None:
    """When the job that has been over for longest is to be removed."""
    job = next(_scan(jobs, "by_completed_time", encode_key(0), encode_key("")), None)
    return None if job is None else float(job["completedTime"]) + KEPT_MS


class ScheduledFunction:
    """One job, as a task of the executor."""

    __slots__ = ("args", "born_ms", "due_ms", "id", "path")

    def __init__(self, job: Document) -> None:
        self.id: str = job["_id"]
        self.path: str = job["name"]
        self.args: dict[str, Any] = job["args"][0]
        self.due_ms: float = job["scheduledTime"]
        self.born_ms: float = job["_creationTime"]

    def is_waiting(self, writer: SystemWriter) -> bool:
        """Whether it is still to be run, as far as this transaction sees."""
        return _kind(writer, self.id) == "pending"

    def begin(self, writer: SystemWriter, kernel: Mapping[str, str]) -> None:
        """The action starts: whatever happens, it will not be run a second time."""
        writer.patch(self.id, {"state": {"kind": "inProgress", **kernel}})

    def end(self, writer: SystemWriter, now_ms: float, error: str | None) -> str | None:
        """It is over. One that was canceled meanwhile, by itself too, stays so."""
        job = writer.get(self.id)
        if job is None:
            return None
        if job["state"]["kind"] in ("pending", "inProgress"):
            state = {"kind": "success"} if error is None else {"kind": "failed", "error": error}
            writer.patch(self.id, {"state": state, "completedTime": now_ms})
        _hasten_followers(writer, job, now_ms)
        return None


class ScheduledFunctions:
    """The jobs that wait for their time, as a source of the executor's tasks."""

    def due(self, snapshot: Snapshot, now_ms: float) -> Iterator[ScheduledFunction]:
        """Those whose time has come, by time, and those of one time in the order in which they were scheduled."""
        upto = successor(encode_key("pending", now_ms))
        tables = [map(ScheduledFunction, _scan(jobs, "by_state", _PENDING, upto)) for jobs in job_tables(snapshot)]
        return heapq.merge(*tables, key=attrgetter("due_ms", "born_ms"))

    def next_due_ms(self, snapshot: Snapshot, now_ms: float) -> float | None:
        """The first time after `now_ms` at which there is something to do."""
        after = successor(encode_key("pending", now_ms))
        times: list[float | None] = []
        for jobs in job_tables(snapshot):
            job = next(_scan(jobs, "by_state", after, successor(_PENDING)), None)
            times += [None if job is None else float(job["scheduledTime"]), next_sweep_ms(jobs)]
        return min([time for time in times if time is not None and time > now_ms], default=None)

    def tidy(self, database: Database, now_ms: float) -> None:
        """Remove the jobs that have been over for long enough."""
        for jobs in job_tables(database.head):
            swept = next_sweep_ms(jobs)
            if swept is not None and swept <= now_ms:
                while write_system(database, lambda writer: sweep(writer, now_ms), SOURCE, component_of(jobs.name)):
                    pass


def _kind(writer: SystemWriter, id: str) -> str | None:
    job = writer.get(id)
    return None if job is None else job["state"]["kind"]


def _hasten_followers(writer: SystemWriter, job: Document, now_ms: float) -> None:
    for id in job.get("followers", ()):
        follower = writer.get(id)
        if follower is not None and follower["state"]["kind"] == "pending" and follower["scheduledTime"] > now_ms:
            writer.patch(id, {"scheduledTime": now_ms})


def _scan(jobs: TableState, index: str, lo: bytes, hi: bytes) -> Iterator[Document]:
    # Not through a transaction: the system's own look at what is due counts for nobody's limits.
    return jobs.scan(jobs.position(index), lo, hi, False)
