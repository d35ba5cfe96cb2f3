"""The one object that users hold: it is asked, told, paused and closed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from html import escape
from importlib import import_module
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from convex_nb.deployment.audit import Audit
from convex_nb.deployment.authentication import Authentication
from convex_nb.deployment.calling import Calling
from convex_nb.deployment.components.installed import Components
from convex_nb.deployment.components.installing import (
    check_components,
    installed,
    use,
    uses_of,
    whole_schema,
)
from convex_nb.deployment.data.tables import Tables
from convex_nb.deployment.description.description import Description
from convex_nb.deployment.environment import Environment
from convex_nb.deployment.files.files import Files
from convex_nb.deployment.function_table import FunctionTable
from convex_nb.deployment.jobs.schedules import Schedules
from convex_nb.deployment.loading import load_modules
from convex_nb.deployment.metrics import Metrics
from convex_nb.deployment.remote.http_actions import check_mounts
from convex_nb.deployment.remote.remote import Server
from convex_nb.deployment.statistics import DeploymentStatistics
from convex_nb.functions.definition import Function
from convex_nb.functions.host import get_host, set_host
from convex_nb.functions.http.router import HttpRouter
from convex_nb.functions.logs.execution_log import ExecutionLog
from convex_nb.language.component_schema import part_of
from convex_nb.language.describing import describe
from convex_nb.language.errors import ReadOnlyError, SchedulingError, SchemaDefinitionError
from convex_nb.language.limits import Limits
from convex_nb.language.schema import SchemaDefinition
from convex_nb.services.authentication.providers import check_providers, deploy_providers
from convex_nb.services.scheduling.cron_table import check_crons
from convex_nb.services.scheduling.crons import CronJobs
from convex_nb.services.system_writes import push_with

if TYPE_CHECKING:
    from os import PathLike

    from convex_nb.engine.commit import Commit
    from convex_nb.engine.reading.system_reader import SystemWriter
    from convex_nb.functions.components.component import Component, Uses
    from convex_nb.functions.registry import Target
    from convex_nb.services.authentication.providers import Provider
    from convex_nb.services.scheduling.cron_table import Change, Wanted
    from convex_nb.views.dashboard.dashboard import Dashboard


class Deployment(Calling, Description):
    """Tables, functions, and everything that follows them, in this process. `open()` makes one.

    It calls public and internal functions alike. All methods may be called from any thread.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._closed is not None:
            return f"<Deployment in {self._where()}: closed>"
        tables = Tables(lambda: self._database.head)
        documents = sum([len(table) for table in tables.values()])
        state = ", paused" if self._reactor.paused else ""
        return (
            f"<Deployment in {self._where()}{state}: {len(tables)} tables with {documents:,} documents, "
            f"{len(self.functions)} functions>"
        )

    def _where(self) -> str:
        return "memory" if self.place is None else self.place if self.path is None else self.path.name

    def _repr_html_(self) -> str:
        tables = self.tables.values() if self._closed is None else ()
        rows = "".join([f"<tr><td>{escape(table.name)}</td><td>{table.count():,}</td></tr>" for table in tables])
        head = "<tr><th>table</th><th>documents</th></tr>" if rows else ""
        return f"<p>{escape(repr(self).strip('<>'))}</p>" + (f"<table>{head}{rows}</table>" if rows else "")

    # -- what there is -------------------------------------------------------------------------------------------

    @property
    def functions(self) -> FunctionTable:
        """The registered functions, by path; `.df()` says what they take, where they are, and how they do."""
        return FunctionTable(self._registry.functions, self._log.tallies)

    @property
    def components(self) -> Components:
        """The installed components, by path: their tables, their functions, and what to call these by."""
        self._check_open()
        return Components(self)

    @property
    def schema(self) -> SchemaDefinition | None:
        """The schema that was pushed last."""
        return part_of(self._database.head.schema)

    @property
    def logs(self) -> ExecutionLog:
        """What functions printed, the newest lines; `.executions` are the newest calls."""
        return self._log

    @property
    def metrics(self) -> Metrics:
        """Calls, errors, cache hits and durations of each function: `.df()`."""
        return Metrics(self._log.tallies)

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._database.limits

    @property
    def on_commit(self) -> list[Callable[[Commit], None]]:
        """Called with each commit once it is published, on the committing thread: only mark, run later."""
        return self._database.on_commit

    @property
    def schedules(self) -> Schedules:
        """The scheduled functions: those that wait, run and are over; `.crons` those that run again and again."""
        return Schedules(self._head, self._scheduling)

    @property
    def env(self) -> Environment:
        """The environment variables: a mapping that can be changed."""
        return Environment(self._head, self._runner, self._after_commit)

    @property
    def files(self) -> Files:
        """The stored files, by id; `store` and `delete` change them."""
        return Files(self._head, self._database, self._urls, self._after_commit, self._ask_again)

    @property
    def auth(self) -> Authentication:
        """Who the bearers of tokens are: `.providers`, `.verify(token)`, `.debug(token)`, `.dev_issuer()`."""
        self._check_open()
        return Authentication(self._tokens, self._database.clock.now_ns)

    @property
    def audit(self) -> Audit:
        """What has been changed about it, apart from its documents: `.df()`."""
        return self._audit

    # -- definitions ---------------------------------------------------------------------------------------------

    def push(
        self,
        schema: SchemaDefinition | None = None,
        *,
        crons: CronJobs | None = None,
        http: HttpRouter | None = None,
        auth: Sequence[Mapping[str, Any]] | Mapping[str, Any] | None = None,
        components: Uses | None = None,
    ) -> None:
        """Put a schema, crons, HTTP actions, auth providers, components in force, all or nothing. The same again
        changes nothing; what is not given stays.

        Raises `SchemaValidationError` naming a stored document that does not fit, `FunctionNotFoundError` and
        `SchedulingError` for a cron that cannot run, and `ComponentError`; nothing changes then.
        """
        self._check_open()
        is_empty = schema is None and crons is None and http is None and auth is None and components is None
        if is_empty or not isinstance(schema, SchemaDefinition | None):
            what = "crons" if isinstance(schema, CronJobs) else "http" if isinstance(schema, HttpRouter) else ""
            hint = f" Write `push({what}=...)`." if what else ""
            raise SchemaDefinitionError(f"push() takes `define_schema({{...}})`, not {describe(schema, 80)}.{hint}")
        if not isinstance(crons, CronJobs | None):
            raise SchedulingError(f"push(crons=...) takes `cron_jobs()`, not {describe(crons, 80)}.", when=crons)
        if not isinstance(http, HttpRouter | None):
            raise SchemaDefinitionError(f"push(http=...) takes `http_router()`, not {describe(http, 80)}.")
        providers = None if auth is None else check_providers(auth)
        self._push(schema, crons, providers, components, http)
        self._router = http or self._router

    def _push(
        self,
        schema: SchemaDefinition | None,
        crons: CronJobs | None,
        providers: Sequence[Provider] | None,
        components: Uses | None,
        http: HttpRouter | None = None,
        *,
        beside: bool = False,
    ) -> None:
        with self._pushing:
            tree = None if components is None else check_components(components, self._database.head, beside=beside)
            with installed(self._registry, tree):
                if http is not None:
                    check_mounts(http, self._registry.components)
                wanted = None if crons is None else check_crons(crons, self._registry)
                is_another, changes = push_with(
                    self._database,
                    lambda head: whole_schema(head, schema, tree, beside=beside),
                    lambda writer: self._deploy(writer, wanted, providers),
                    "push",
                )
        if is_another:
            # What a query may ask of a table has changed, so even those that fail now may succeed.
            self._reactor.invalidate()
        self._scheduling.deployed(changes)
        self._after_commit()

    def _deploy(
        self, writer: SystemWriter, wanted: Mapping[str, Wanted] | None, providers: Sequence[Provider] | None
    ) -> list[Change]:
        if providers is not None:
            deploy_providers(writer, providers)
        return [] if wanted is None else self._scheduling.deploy(writer, wanted)

    def use(self, component: Component, name: str | None = None) -> None:
        """Install one more component, or the new definition of one, beside those that are there; else as `push`.

        The name is its own unless given. Raises `ComponentError` and `SchemaValidationError`.
        """
        self._check_open()
        use(self, component, () if name is None else (name,))

    def refresh_component(self, component: Component, /) -> None:
        """Take over what has been defined of a component that is installed."""
        if self._closed is None and any(each is component for each in self._registry.components.values()):
            with self._pushing:
                self._push(None, None, None, uses_of(self._registry), beside=True)

    def register(self, *functions: Function, module: str | None = None) -> frozenset[str]:
        """Register functions, all or none; return the paths whose code is new.

        A function without a path of its own becomes `module:name`, or `name`. Live queries move to new code at once.
        """
        self._check_open()
        return self._registry.register(functions, module)

    def unregister(self, *paths: str) -> frozenset[str]:
        """Forget functions; return the paths that were there."""
        self._check_open()
        return self._registry.remove(paths)

    def load(self, source: str | PathLike[str] | ModuleType, /) -> frozenset[str]:
        """Register the functions of a module, a package or a folder; return the paths whose code is new.

        Paths are relative to it: `sub/mod:fn`. What it no longer defines stays registered. A `schema`, `crons`, an
        `http` and an `auth_config` that one of its modules defines are put in force; a file that is open for reading
        keeps its own. Raises what `push` raises; of a schema that does not fit, nothing changes.
        """
        self._check_open()
        loaded = load_modules(source)
        if loaded.schema is not None:
            with suppress(ReadOnlyError):
                self.push(loaded.schema)
        changed = self._registry.register_modules(loaded.functions)
        if loaded.uses is not None:
            try:
                self.push(components=loaded.uses)
            except ReadOnlyError:
                self._registry.install(check_components(loaded.uses, self._database.head))
        if loaded.crons is not None or loaded.auth is not None:
            with suppress(ReadOnlyError):
                self.push(crons=loaded.crons, auth=loaded.auth)
        if loaded.http is not None:
            self.push(http=loaded.http)
        return changed

    def adopt(self, function: Function, /) -> None:
        """Register a function that was defined while this deployment is the current one."""
        if self._closed is None:
            self._registry.adopt(function)

    def path_of(self, function: Target, /) -> str:
        """The whole path of a function. Raises `FunctionNotFoundError`."""
        return self._registry.resolve(function).path

    # -- life ----------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Refuse every call of a function, hold live queries still, and start no scheduled one, until `resume()`."""
        self._check_open()
        self._reactor.paused = self._blocked = True
        self._audit.note("deployment", "", "paused")

    def resume(self) -> None:
        """Take calls again: live queries catch up, scheduled functions that were due run, crons go on from now."""
        self._check_open()
        self._scheduling.resuming()
        self._blocked = False
        self._reactor.resume()
        self._scheduling.resumed()
        self._audit.note("deployment", "", "resumed")

    @property
    def server(self) -> Server | None:
        """The server that `serve()` has started, while it runs."""
        return next((door for door in self._doors if isinstance(door, Server)), None)

    def serve(
        self,
        port: int | None = None,
        *,
        host: str = "127.0.0.1",
        site_port: int | None = None,
        origins: Iterable[str] = (),
        hosts: Iterable[str] = (),
        admin_key: str | None = None,
    ) -> Server:
        """Let Convex clients in by HTTP and WebSocket, at `.url` of what this returns, until its `.close()`.

        `port` is 3210 where that is free and another one where not, 0 for any; HTTP actions are at `site_port`, one
        above. Only this machine gets in, unless `host` is an address of another network, and of web pages only its own
        and those of `origins`. `hosts` are other names by which it is reached. Who has the `admin_key` may do what this
        object may. The same again returns the same server, with other options one takes its place. Raises
        `ServingError`, and `MissingDependencyError` where the extra `server` is not installed.
        """
        self._check_open()
        # A front door, which stands on this and not the other way round.
        open_server = import_module("convex_nb.server").open_server
        server: Server = open_server(
            self,
            port,
            host=host,
            site_port=site_port,
            origins=tuple(origins),
            hosts=tuple(hosts),
            admin_key=admin_key,
        )
        return server

    def dashboard(self, page: str = "health") -> Dashboard:
        """Everything about it as live pages for a notebook, of which one is open: `"health"`, `"data"`, `"functions"`,
        `"files"`, `"schedules"`, `"logs"`, `"history"` or `"settings"`."""
        # A front door, which stands on this and not the other way round.
        open_dashboard = import_module("convex_nb.notebook.dashboard").open_dashboard
        board: Dashboard = open_dashboard(self, page)
        return board

    def statistics(self) -> DeploymentStatistics:
        """Figures of every part. Costs O(tables + live queries)."""
        return DeploymentStatistics(
            self._database.statistics(),
            self._cache.statistics(),
            self._reactor.statistics(),
            self._scheduling.executor.statistics(),
            len(self.functions),
            self._runner.retries,
        )

    def check(self) -> None:
        """Verify every invariant; raises `AssertionError` with what is wrong. Reads everything."""
        self._database.check()
        self._cache.check()
        self._reactor.check()

    def close(self) -> None:
        """End it: subscriptions close, and every later call raises `DeploymentClosedError`. Twice is fine."""
        if self._closed is None:
            try:
                for door in list(self._doors):
                    door.close()
                self._scheduling.close()
            finally:
                # An interrupt of the moment that jobs get must not leave the file taken.
                self._closed = "it was closed"
                self._blocked = True
                if get_host() is self:
                    set_host(None)
                self._release()
