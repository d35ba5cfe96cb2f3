"""What every part of a deployment stands on: its parts, whether it is open, and what follows a commit."""

from __future__ import annotations

import os
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from convex_nb.deployment.audit import Audit
from convex_nb.deployment.following import Following
from convex_nb.deployment.jobs.scheduling import RunsActions, Scheduling
from convex_nb.deployment.observability.stream import Stream
from convex_nb.deployment.remote.follow_up import FollowUp
from convex_nb.deployment.worker import HAS_THREADS, IDLE_SECONDS, Worker
from convex_nb.engine.wal.protocol import SharedLog
from convex_nb.functions.cache import QueryCache
from convex_nb.functions.determinism import installation as determinism
from convex_nb.functions.live.reactor import Reactor
from convex_nb.functions.logs import output
from convex_nb.functions.logs.execution_log import ExecutionLog
from convex_nb.functions.registry import Registry
from convex_nb.functions.runner import Runner
from convex_nb.language.errors import DeploymentClosedError, DeploymentPausedError
from convex_nb.services.authentication.tokens import Tokens
from convex_nb.services.environment import EnvironmentService
from convex_nb.services.files.storage import StorageService
from convex_nb.services.files.urls import FileUrls
from convex_nb.services.scheduling.scheduler import SchedulerService

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from convex_nb.deployment.remote.remote import Door
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.contexts import Service
    from convex_nb.functions.http.router import HttpRouter
    from convex_nb.functions.logs.sinks import Sink

Mode: TypeAlias = Literal["dev", "prod"]

_SLICE_MS = 20.0
_open: weakref.WeakSet[Foundation] = weakref.WeakSet()


class Foundation:
    """Wires the parts of one deployment. `Calling` and `Data` are what can be done with them."""

    def __init__(self, database: Database, mode: Mode = "dev") -> None:
        self._database = database
        self._mode: Mode = mode
        self._registry = Registry()
        self._log = ExecutionLog()
        self._urls = FileUrls()
        self._services: dict[str, Service] = {"env": EnvironmentService()}
        self._runner = Runner(self._database, self._registry, self._log, services=self._services)
        self._cache = QueryCache(self._runner)
        self._reactor = Reactor(self._database, self._registry, self._cache)
        self._worker = Worker(self) if HAS_THREADS else None
        if self._worker is not None:
            wake = self._worker.wake
            self._database.on_commit.append(lambda _: wake())
            self._reactor.hand_over = wake
            self._log.sinks.wake = wake
            self._log.sinks.open_address = partial(_open_webhook, self._log)
        self._follow_up = FollowUp(self._reactor)
        self._log.describe = partial(_describe, database, mode)
        self._closed: str | None = None
        self._blocked = False
        # Each push carries over what it leaves as it is: of two at once, one would take back what the other has done.
        self._pushing = threading.RLock()
        self._doors: list[Door] = []
        self._router: HttpRouter | None = None
        self._tokens = Tokens(database)
        self._audit = Audit(database, self._registry)
        output.capture()
        determinism.install()
        self._scheduling = Scheduling(self._runner, self._reactor, cast(RunsActions, self))
        executor = self._scheduling.executor
        self._log.sinks.gather = Stream(self._log, self._audit, executor.statistics, executor.now_ms).look
        self._services["scheduler"] = SchedulerService(self._scheduling.after_commit)
        self._services["storage"] = StorageService(self._urls, self._scheduling.after_commit)
        self._database.on_push += [self._reactor.invalidate, self._scheduling.released]
        self._workers: list[Worker | Following] = [*filter(None, [self._worker]), *self._follow_up.workers]
        self._following: Following | None = None
        self._release = weakref.finalize(
            self,
            _release,
            self._workers,
            self._scheduling,
            self._reactor,
            self._database,
            self._log,
        )
        _open.add(self)
        self._follow()

    def _follow(self) -> None:
        """Hear from now on of those who share the place that the documents are in, if it can be shared."""
        if self._following is not None:
            self._workers.remove(self._following)
            self._following.stop()
            self._following = None
        shared = self._database.log
        if isinstance(shared, SharedLog):
            self._following = Following(self, self._database, shared)
            self._workers.insert(0, self._following)
            self._following.start()

    def followed(self) -> None:
        """Other kernels' commits have been published here."""
        if self._closed is None:
            self._after_commit()

    def beat(self) -> None:
        """A second or so has passed: what kernels that are gone have left is seen to."""
        if self._closed is None:
            self._scheduling.relieve()

    @property
    def mode(self) -> Mode:
        """Whether it is for developing or in production, as `open(mode=...)` said."""
        return self._mode

    @property
    def paused(self) -> bool:
        """Whether calls are refused until `resume()`."""
        return self._reactor.paused

    def work(self) -> bool:
        """Do a slice of the background work that is due; whether more is."""
        if self._reactor.handed_over:
            self._reactor.flush()
        self._log.sinks.deliver()
        if self._closed is not None:
            return False
        self._audit.trim()
        return self._database.maintain(_SLICE_MS)

    def rest(self) -> float:
        """Seconds until it is to be looked, though nobody has committed, whether something is too old to be kept."""
        return IDLE_SECONDS

    def look_again(self) -> None:
        """Run what reads names of the notebook that have been rebound; a cell has ended."""
        if self._closed is None:
            self._reactor.flush()

    def when_held(self, refresh: Callable[[], object]) -> None:
        """Let `refresh()` be called after a commit of a running cell, if views wait for that cell's thread to run."""
        self._reactor.on_held = refresh

    def _ask_again(self) -> None:
        """What queries have answered may not be so any more, though no document has changed."""
        self._cache.clear()
        self._reactor.invalidate()
        self._reactor.flush()

    def _head(self) -> Snapshot:
        self._check_open()
        return self._database.head

    def _after_commit(self) -> None:
        self._reactor.flush()
        if self._reactor.on_held is not None:
            self._reactor.offer_held()
        if self._worker is None:
            self._log.sinks.deliver()
            self._audit.trim()
            self._database.maintain(1)
            self._scheduling.step()

    def _check_open(self) -> None:
        if self._closed is not None:
            raise DeploymentClosedError(f"This deployment cannot be used: {self._closed}. Open another one.")

    def _refuse(self) -> None:
        self._check_open()
        raise DeploymentPausedError("The deployment is paused: the function did not run. Call `resume()` first.")


def _describe(database: Database, mode: Mode) -> dict[str, str]:
    name = name_of(database.log.place)
    return {"deployment_name": name, "deployment_type": mode, "project_name": name, "project_slug": name}


def _open_webhook(log: ExecutionLog, url: str, options: Mapping[str, Any]) -> Sink:
    from convex_nb.deployment.observability.webhook import Webhook

    return Webhook(url, **options, deployment=log.describe)


def name_of(place: str | None) -> str:
    """What a deployment is called that is in this place: its file, its database, or "memory"."""
    return "memory" if place is None else Path(place).stem


def _release(
    workers: list[Worker | Following],
    scheduling: Scheduling,
    reactor: Reactor,
    database: Database,
    log: ExecutionLog,
) -> None:
    try:
        output.release()
        determinism.release()
        scheduling.close()
        for worker in workers:
            worker.stop()
        reactor.close()
        log.sinks.close()
    finally:
        # Whoever interrupts this finds the file free all the same.
        database.close()


def all_open() -> list[Foundation]:
    """Return the deployments that are open in this process."""
    return [each for each in list(_open) if each._closed is None]


def _forked() -> None:
    """A child has its parent's memory but not its threads, and may have its locks held for ever."""
    for deployment in list(_open):
        deployment._closed = "it belongs to the process that this one was forked from"
        deployment._blocked = True
        deployment._scheduling.abandon()
        deployment._release.detach()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
