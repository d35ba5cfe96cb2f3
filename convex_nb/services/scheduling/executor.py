"""Runs what is due: scheduled functions and crons, each in the way that its kind asks for.

A mutation and the change of its job's state are one commit: it happens exactly once. An action's job says that it has
begun before it does: it happens at most once.
"""

from __future__ import annotations

import heapq
import logging
import math
import threading
import time
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from convex_nb.engine.reading.system_reader import SystemWriter
from convex_nb.functions.execution import Execution
from convex_nb.functions.origin import Origin
from convex_nb.functions.tracebacks import message_of
from convex_nb.language.describing import shorten
from convex_nb.language.errors import FunctionNotFoundError, WriteConflictError
from convex_nb.services.scheduling.scheduled_functions import SOURCE, count_pending, job_tables
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from convex_nb.engine.database import Database
    from convex_nb.engine.reading.reader import DatabaseWriter
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.registry import Entry
    from convex_nb.functions.runner import Runner

T = TypeVar("T")

ERROR_CHARACTERS: Final = 2000
FIRST_DELAY: Final = 0.01
LONGEST_DELAY: Final = 30.0

log: Final = logging.getLogger("convex_nb")
_due: Final = attrgetter("due_ms")


class Task(Protocol):
    """Something that is to be run at its time; `born_ms` is when it came into being."""

    @property
    def id(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def args(self) -> dict[str, Any]: ...
    @property
    def due_ms(self) -> float: ...
    @property
    def born_ms(self) -> float: ...

    def is_waiting(self, writer: SystemWriter, /) -> bool:
        """Whether it is still to be run."""
        ...

    def begin(self, writer: SystemWriter, kernel: Mapping[str, str], /) -> None:
        """An action starts, in this kernel where several share the deployment."""
        ...

    def end(self, writer: SystemWriter, now_ms: float, error: str | None, /) -> str | None:
        """It is over; what the log should say beside that."""
        ...


class Source(Protocol):
    """Where tasks come from."""

    def due(self, snapshot: Snapshot, now_ms: float, /) -> Iterable[Task]:
        """Those whose time has come, by time."""
        ...

    def next_due_ms(self, snapshot: Snapshot, now_ms: float, /) -> float | None:
        """The first time after `now_ms` at which there is something to do."""
        ...

    def tidy(self, database: Database, now_ms: float, /) -> None:
        """Remove what is too old to be kept."""
        ...


class Host(Protocol):
    """What the executor needs of a deployment."""

    def is_open(self) -> bool:
        """Whether anything can still be committed."""
        ...

    def may_run(self) -> bool:
        """Whether anything may be started now."""
        ...

    def hand_out(self, call: Callable[[], None], kind: Kind, /) -> None:
        """Run a call, here or on a thread; return when it is over, or when the next one need not wait for it."""
        ...

    def act(self, entry: Entry, args: dict[str, Any], origin: Origin, /) -> object:
        """Run an action to its end. Raises what it raises."""
        ...

    def after_commit(self) -> None:
        """Follow a commit."""
        ...

    def released(self) -> None:
        """A task is over, and others may be started in its place."""
        ...


@dataclass(frozen=True, slots=True)
class SchedulingStatistics:
    """The figures of what runs by the clock."""

    pending: int
    """Scheduled functions that wait for their time, or for their turn."""
    running: int
    """Scheduled functions and crons that run in this process."""
    lag_seconds: float
    """How long the first of those that are due has waited already."""


class Executor:
    """Starts due tasks in the order of their times. Safe for threads; starts none; holds no lock while user code runs.

    Of either kind at most `limits.running_scheduled_functions` run at once, so that what never ends is not in the way
    of what is of the other kind. A task that was there before this process, and whose function has not been defined in
    it yet, waits for that.
    """

    def __init__(self, runner: Runner, host: Host, sources: Sequence[Source]) -> None:
        self._runner = runner
        self._database = runner.database
        self._registry = runner.registry
        self._host = host
        self._sources = sources
        self._kernel: dict[str, str] = {}
        self._opened_ms = runner.database.mint.last_creation_time
        self._defined: set[str] = set()
        self._taken: set[str] = set()
        self._threads: set[int] = set()
        self._running: dict[Kind, int] = {"mutation": 0, "action": 0}
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._registry.on_change.append(self._defined.update)

    @property
    def kernel(self) -> str | None:
        """The name of this kernel among several, if there may be others."""
        return self._kernel.get("kernel")

    @kernel.setter
    def kernel(self, name: str) -> None:
        self._kernel = {"kernel": name}
        # Another one may have the function that this one lacks.
        self._opened_ms = math.inf

    # -- starting ------------------------------------------------------------------------------------------------

    def run_due(self) -> float:
        """Start all that is due and can be; return the time up to which this has looked."""
        while True:
            now = self.now_ms()
            if not self._host.may_run():
                return now
            for source in self._sources:
                source.tidy(self._database, now)
            started = False
            for task in self.due(now):
                if not self._host.may_run():
                    return now
                started |= self._start(task)
            if not started:
                return now

    def due(self, now_ms: float | None = None) -> Iterator[Task]:
        """What is due, by time."""
        head = self._database.head
        now_ms = self.now_ms() if now_ms is None else now_ms
        return heapq.merge(*[source.due(head, now_ms) for source in self._sources], key=_due)

    def next_due_ms(self, now_ms: float) -> float | None:
        """The first time after `now_ms` at which something is due."""
        head = self._database.head
        times = [source.next_due_ms(head, now_ms) for source in self._sources]
        return min([time for time in times if time is not None], default=None)

    def now_ms(self) -> float:
        """Milliseconds since the epoch."""
        return self._runner.clock.now_ns() / 1_000_000

    @property
    def running(self) -> frozenset[str]:
        """The ids of the tasks that are being run."""
        return frozenset(self._taken)

    def wait(self, timeout: float | None = None) -> bool:
        """Return when nothing is being run; whether that is so, or `timeout` seconds have passed."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._taken, timeout)

    def is_behind(self) -> bool:
        """Whether something waits whose time has come."""
        return any(not self.awaits_function(task.path, task.born_ms) for task in self.due())

    def statistics(self) -> SchedulingStatistics:
        """Sizes, and how late it is. Costs O(log jobs)."""
        now = self.now_ms()
        # What runs is due until it is over, and no longer waits.
        waits = next((task for task in self.due(now) if task.id not in self._taken), None)
        return SchedulingStatistics(
            pending=sum(map(count_pending, job_tables(self._database.head))),
            running=len(self._taken),
            lag_seconds=0.0 if waits is None else (now - waits.due_ms) / 1e3,
        )

    def is_at_it_here(self) -> bool:
        """Whether this thread is running something."""
        return threading.get_ident() in self._threads

    def awaits_function(self, path: str, born_ms: float) -> bool:
        """Whether a task of this age waits for its function to be defined in this process."""
        return born_ms <= self._opened_ms and not self._registry.knows(path) and path not in self._defined

    def _start(self, task: Task) -> bool:
        if task.id in self._taken or self.awaits_function(task.path, task.born_ms):
            return False
        try:
            entry = self._registry.at(task.path)
            if entry.function.kind == "query":
                self._registry.find(task.path, "mutation")
        except FunctionNotFoundError as error:
            return self._refuse(task, error)
        kind = entry.function.kind
        with self._lock:
            most = self._database.limits.running_scheduled_functions
            if task.id in self._taken or self._running[kind] >= most:
                return False
            self._taken.add(task.id)
            self._running[kind] += 1
        run = self._run_mutation if kind == "mutation" else self._run_action
        try:
            self._host.hand_out(partial(self._run, run, task, entry, kind), kind)
        except RuntimeError:
            # No thread can be started: the interpreter is on its way out.
            self._release(task, kind)
            raise
        return True

    def _run(self, run: Callable[[Task, Entry], None], task: Task, entry: Entry, kind: Kind) -> None:
        self._threads.add(threading.get_ident())
        try:
            run(task, entry)
        finally:
            self._threads.discard(threading.get_ident())
            self._release(task, kind)

    def _release(self, task: Task, kind: Kind) -> None:
        with self._changed:
            if task.id not in self._taken:
                return
            self._taken.remove(task.id)
            self._running[kind] -= 1
            self._changed.notify_all()
        self._host.released()

    # -- running -------------------------------------------------------------------------------------------------

    def _run_mutation(self, task: Task, entry: Entry) -> None:
        failure: Exception | None = None
        said: str | None = None

        run = self._runner.body_of(entry, task.args)

        def body(execution: Execution, db: DatabaseWriter) -> None:
            nonlocal failure, said
            try:
                assert execution.transaction is not None
                writer = SystemWriter(execution.transaction)
                if task.is_waiting(writer):
                    run(execution, db)
                    said = task.end(writer, self.now_ms(), None)
            except Exception as error:
                failure = error
                raise

        def attempt() -> None:
            nonlocal failure, said
            failure = said = None
            try:
                self._runner.transact(body, entry.path, _origin_of(task))
            except Exception as error:
                if error is not failure:
                    raise

        self._insist(attempt, task)
        if failure is not None:
            said = self._end(task, failure)
        self._say(task, said)
        self._host.after_commit()

    def _run_action(self, task: Task, entry: Entry) -> None:
        def begin(writer: SystemWriter) -> bool:
            waiting = task.is_waiting(writer)
            if waiting:
                task.begin(writer, self._kernel)
            return waiting

        if not self._write(begin, task):
            return
        self._host.after_commit()
        failure: BaseException | None = None
        try:
            self._host.act(entry, task.args, _origin_of(task))
        except Exception as error:
            failure = error
        except BaseException as error:
            failure = error
            raise
        finally:
            self._say(task, self._end(task, failure))
            self._host.after_commit()

    def _refuse(self, task: Task, error: FunctionNotFoundError) -> bool:
        """Fail a task that has no function; whether it was waiting."""
        said: str | None = None

        def end(writer: SystemWriter) -> bool:
            nonlocal said
            waiting = task.is_waiting(writer)
            said = task.end(writer, self.now_ms(), _text_of(error)) if waiting else None
            return waiting

        refused = bool(self._write(end, task))
        if refused:
            now = time.perf_counter()
            self._runner.log.ran(
                Execution(self._runner, task.path, "action", None, _origin_of(task)), now, now, 0, error
            )
            self._say(task, said)
            self._host.after_commit()
        return refused

    def _end(self, task: Task, error: BaseException | None) -> str | None:
        text = None if error is None else _text_of(error)
        return self._write(lambda writer: task.end(writer, self.now_ms(), text), task)

    def _say(self, task: Task, said: str | None) -> None:
        if said is not None:
            self._runner.log.note(task.path, "WARN", said, self.now_ms())

    def _write(self, change: Callable[[SystemWriter], T], task: Task) -> T | None:
        return self._insist(lambda: write_system(self._database, change, SOURCE), task)

    def _insist(self, attempt: Callable[[], T], task: Task) -> T | None:
        """Return what `attempt` does, however often it takes; `None` if the deployment is closed before."""
        delay = FIRST_DELAY
        while True:
            try:
                return attempt()
            except WriteConflictError:
                # Others were faster all the time. That is nobody's fault, and nothing to be told of.
                if not self._host.is_open():
                    return None
            except Exception:
                if not self._host.is_open():
                    return None
                # Nor is this the function's: a disk that is full.
                if delay == FIRST_DELAY:
                    log.exception("convex_nb: a scheduled run of %s could not be committed; it is retried", task.path)
            time.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)


def _origin_of(task: Task) -> Origin:
    return Origin("system", job_id=task.id)


def _text_of(error: BaseException) -> str:
    return f"{type(error).__name__}: {shorten(message_of(error), ERROR_CHARACTERS)}"
