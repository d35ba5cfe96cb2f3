"""When what is due runs, and on which thread: by the machine's clock, or whenever a virtual one is moved."""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from convex_nb.deployment.jobs.lead import PATIENCE_SECONDS, Lead
from convex_nb.deployment.worker import HAS_THREADS, IDLE_SECONDS, Worker
from convex_nb.engine.database import SystemClock
from convex_nb.engine.namespaces import tables_called
from convex_nb.engine.wal.kernels import new_kernel_name
from convex_nb.engine.wal.protocol import SharedLog
from convex_nb.engine.wal.read_only import ReadOnlyLog
from convex_nb.functions.execution import running
from convex_nb.language.errors import DeploymentClosedError, SchedulingError
from convex_nb.language.qualified_names import component_of
from convex_nb.services.scheduling.cron_table import (
    TABLE as CRONS,
    Crons,
    claim_crons,
    deploy,
    end_interrupted,
    skip_missed,
)
from convex_nb.services.scheduling.executor import Executor
from convex_nb.services.scheduling.scheduled_functions import (
    SOURCE,
    TABLE,
    ScheduledFunctions,
    claim,
    fail_interrupted,
    job_tables,
)
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.reading.system_reader import SystemWriter
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.live.reactor import Reactor
    from convex_nb.functions.origin import Origin
    from convex_nb.functions.registry import Entry
    from convex_nb.functions.runner import Runner
    from convex_nb.services.scheduling.cron_table import Change, Wanted

CLOSING_SECONDS: Final = 1.0
"""So long closing waits, at most, for what is running."""
RETRY_SECONDS: Final = 5.0
"""The pause after a look that failed."""
GRACE_SECONDS: Final = 1.0
"""So long `advance` of a virtual clock waits, at most, for an action that it has started."""

STEP_SECONDS: Final = 0.002
"""How often `wait` looks whether what is due has begun."""

log: Final = logging.getLogger("convex_nb")


class RunsActions(Protocol):
    """A deployment, as what runs an action for somebody."""

    def _action(self, entry: Entry, given: dict[str, Any], origin: Origin) -> object: ...


@runtime_checkable
class MovedClock(Protocol):
    """A clock that is moved by hand, and tells who follows it."""

    def follow(self, follower: Any, /) -> None: ...


class Scheduling:
    """Drives one deployment's executor. Costs a commit that schedules nothing two look-ups, and no thread.

    It holds the deployment weakly, as the threads that run its jobs do between two of them.
    """

    def __init__(self, runner: Runner, reactor: Reactor, owner: RunsActions) -> None:
        self.database = runner.database
        self._runner = runner
        self._log = runner.log
        self._reactor = reactor
        self._owner = weakref.ref(owner)
        self._is_open = True
        self._is_held = False
        self._is_stepping = False
        self._lead: Lead | None = None
        # Whether something has happened since the last look, and up to which time that was.
        self._is_changed = True
        self._looked_ms = 0.0
        self.is_manual = not isinstance(self.database.clock, SystemClock)
        """Whether nothing runs by the machine's time."""
        self._shared: SharedLog | None = None
        self._kernels: frozenset[str] = frozenset()
        self.executor = Executor(runner, self, [ScheduledFunctions(), Crons()])
        self._worker: Worker | None = None
        if HAS_THREADS and not self.is_manual:
            self._worker = Worker(self, name="convex_nb jobs", is_prompt=True)
        if isinstance(self.database.clock, MovedClock):
            self.database.clock.follow(self)
        self.moved()
        if self._shared is None:
            self._recover()
        self.database.on_commit.append(self._committed)
        runner.registry.on_change.append(self._redefined)

    def moved(self) -> None:
        """The documents are in another place now, which others share or not."""
        former, log = self._shared, self.database.log
        self._shared = log if isinstance(log, SharedLog) else None
        if self._shared is not None:
            self.executor.kernel = self._shared.kernel
        if former is not None or self._shared is not None:
            self._recover()

    def claim(self) -> str:
        """Note what runs here as this kernel's, so that others will not think that it is over; its name."""
        kernel = self.executor.kernel
        if kernel is not None:
            return kernel
        kernel = self.executor.kernel = new_kernel_name()
        if self._is_read_only():
            return kernel
        for jobs in job_tables(self.database.head):
            write_system(self.database, lambda writer: claim(writer, kernel), SOURCE, component_of(jobs.name))
        if self._has(CRONS):
            write_system(self.database, lambda writer: claim_crons(writer, kernel), SOURCE)
        return kernel

    def _recover(self) -> None:
        """What a former process was at is over; what waits is looked at."""
        if self._is_read_only():
            return
        now = self.executor.now_ms()
        kernels = frozenset() if self._shared is None else self._shared.kernels()
        if self.executor.kernel is not None:
            kernels |= {self.executor.kernel}
        for jobs in job_tables(self.database.head):
            component = component_of(jobs.name)
            while said := write_system(
                self.database, lambda writer: fail_interrupted(writer, now, kernels), SOURCE, component
            ):
                self._say(said)
        if self._has(CRONS):
            self._say(write_system(self.database, lambda writer: end_interrupted(writer, now, kernels), SOURCE))
        if self.next_due_ms() is not None or any(self.executor.due()):
            self.released()

        self._kernels = kernels

    def relieve(self) -> None:
        """Of several kernels one may have ended in the middle of an action."""
        if self._shared is not None and self._shared.kernels() != self._kernels:
            self._recover()

    # -- when ----------------------------------------------------------------------------------------------------

    def _committed(self, commit: Commit) -> None:
        if CRONS in commit.indexes or tables_called(TABLE, commit.indexes):
            self.released()

    def _redefined(self, _: frozenset[str]) -> None:
        if self._has(CRONS) or job_tables(self.database.head):
            self.released()

    def released(self) -> None:
        """Something may be due. Never blocks."""
        self._is_changed = True
        if self._worker is not None and self._is_open:
            self._worker.wake()

    def work(self) -> bool:
        """See to it that a thread looks for what is due, if there may be something."""
        if not self.may_run():
            return False
        if self._lead is not None and self._lead.is_stuck:
            # It ends with what it is at. The others go on beside it.
            self._lead, self._is_changed = None, True
        if self._lead is None and (self._is_changed or self._seconds_left() <= 0):
            self._is_changed = False
            self._lead = Lead(self._look, self._looked)
            try:
                self._lead.start()
            except RuntimeError:
                # The interpreter is on its way out.
                self._lead = None
        return False

    def rest(self) -> float:
        """Seconds until something is due, or somebody may be stuck."""
        if not self.may_run():
            return IDLE_SECONDS
        return PATIENCE_SECONDS if self._lead is not None else self._seconds_left()

    def _seconds_left(self) -> float:
        # Since the last look, not since now: what has become due between the two is not to wait for the next one.
        due = self.executor.next_due_ms(self._looked_ms)
        return IDLE_SECONDS if due is None else max(0.0, (due - self.executor.now_ms()) / 1e3)

    def _look(self) -> None:
        try:
            looked = self.executor.run_due()
        except Exception:
            if self._is_open:
                log.exception("convex_nb: scheduled functions could not be started; it is tried again")
                # With what is due still due, the next look follows at once.
                time.sleep(RETRY_SECONDS)
            return
        if threading.current_thread() is self._lead:
            self._looked_ms = looked

    def _looked(self, lead: Lead) -> None:
        if lead is self._lead:
            self._lead = None
            if self._worker is not None:
                self._worker.wake()

    def step(self) -> None:
        """Run what is due here and now, where there are no threads."""
        if not HAS_THREADS and not self.is_manual:
            self.run_due()

    def run_due(self) -> None:
        """Run what is due now; of actions, where there are threads, only what they do within a second."""
        if self.may_run() and not self._is_stepping:
            self._is_stepping = not HAS_THREADS
            try:
                self.executor.run_due()
            finally:
                self._is_stepping = False

    def wait(self, timeout: float | None) -> bool:
        """Return when all that is due has run; whether it has."""
        execution = running.get()
        if self.executor.is_at_it_here() or (execution is not None and execution.transaction is not None):
            raise SchedulingError("`dep.schedules.wait()` in this function would wait for the function itself.")
        if self.is_manual:
            # What is due there runs when the clock is moved.
            return self.executor.wait(timeout)
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            self.step()
            left = max(0.0, deadline - time.monotonic())
            if not self.executor.wait(None if left == math.inf else left):
                return False
            if not self.executor.is_behind():
                return True
            if not left or not self.may_run():
                return False
            # Its thread was woken by the commit that made it due.
            time.sleep(min(STEP_SECONDS, left))

    def next_due_ms(self) -> float | None:
        """The first time after now at which something is due."""
        return self.executor.next_due_ms(self.executor.now_ms()) if self.may_run() else None

    def resuming(self) -> None:
        """A pause is about to end: crons go on from now."""
        if self._reactor.paused and self._has(CRONS) and not self._is_read_only():
            now = self.executor.now_ms()
            self._say(write_system(self.database, lambda writer: skip_missed(writer, now), SOURCE))

    # -- crons ---------------------------------------------------------------------------------------------------

    def deploy(self, writer: SystemWriter, wanted: Mapping[str, Wanted]) -> list[Change]:
        """Put crons in the place of those that are there; what has changed is for `deployed`."""
        return deploy(writer, wanted, self.executor.now_ms())

    def deployed(self, changes: Iterable[Change]) -> None:
        """Say which crons have changed, once they have."""
        for change in changes:
            text = f'The cron "{change.name}" was {change.what}.'
            self._log.note(change.path, "INFO", text, self.executor.now_ms())

    def _say(self, said: Iterable[tuple[str, str | None]]) -> None:
        for path, text in said:
            if text is not None:
                self._log.note(path, "WARN", text, self.executor.now_ms())

    def _has(self, table: str) -> bool:
        return self.database.head.table(table) is not None

    def resumed(self) -> None:
        """A pause is over: what it has held back runs."""
        self.released()
        if self.is_manual:
            self.run_due()

    def hold(self) -> None:
        """Start nothing in this process: what is scheduled waits for the next one that opens the file."""
        self._is_held = True

    def close(self) -> None:
        """Start nothing any more. What runs gets a moment to end; what it wants to commit after that is refused."""
        if not self._is_open:
            return
        self._is_held = True
        try:
            if self._worker is not None:
                self._worker.stop()
            if not self.executor.is_at_it_here():
                self.executor.wait(CLOSING_SECONDS)
        finally:
            self._is_open = False

    def abandon(self) -> None:
        """The same in a forked child, which has none of the threads."""
        self._is_open = False

    # -- what the executor asks for ------------------------------------------------------------------------------

    def is_open(self) -> bool:
        """Whether anything can still be committed."""
        return self._is_open

    def may_run(self) -> bool:
        """Whether anything may be started now."""
        if not self._is_open or self._is_held or self._reactor.paused or self._is_read_only():
            return False
        thread = threading.current_thread()
        return thread is self._lead or not isinstance(thread, Lead)

    def hand_out(self, call: Callable[[], None], kind: Kind, /) -> None:
        """Run a call, here or on a thread; return when it is over, or when the next one need not wait for it."""
        if not HAS_THREADS or (self.is_manual and kind == "mutation"):
            call()
            return
        lead = threading.current_thread()
        if kind == "mutation" and isinstance(lead, Lead):
            lead.call(call)
            return
        thread = threading.Thread(target=call, name="convex_nb job", daemon=True)
        thread.start()
        if self.is_manual:
            thread.join(GRACE_SECONDS)

    def act(self, entry: Entry, args: dict[str, Any], origin: Origin, /) -> object:
        """Run an action to its end."""
        owner = self._owner()
        if owner is None:
            raise DeploymentClosedError("The deployment is gone: the action did not run.")
        return owner._action(entry, args, origin)

    def after_commit(self) -> None:
        """Follow a commit."""
        self._reactor.flush()

    def _is_read_only(self) -> bool:
        shared = self._shared
        return isinstance(self.database.log, ReadOnlyLog) or (shared is self.database.log and shared.read_only)
