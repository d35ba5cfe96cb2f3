"""What a deployment says of itself: `dep.function_spec()` and its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from convex_nb.deployment.data.data import Data
from convex_nb.deployment.remote.http_actions import answering_routes
from convex_nb.deployment.remote.remote import Server
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError, StorageError

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.deployment.observability.health import Health
    from convex_nb.deployment.observability.insights import Insight
    from convex_nb.functions.http.router import Route
    from convex_nb.functions.logs.exceptions import Reporter
    from convex_nb.language.schema import SchemaDefinition


class Description(Data):
    """What programs ask that are written against a deployment."""

    def function_spec(self) -> dict[str, Any]:
        """The registered functions and HTTP actions as JSON: kind, visibility, validators of arguments and results.

        HTTP actions are those of mounted components, too.
        """
        from convex_nb.deployment.description.function_spec import function_spec

        self._check_open()
        return function_spec(self._registry.functions, self._answering_routes(), self._url)

    def openapi(self) -> dict[str, Any]:
        """The public functions and the HTTP actions as an OpenAPI 3.0 document, for their addresses on the server.

        A function is a POST to `/api/run/...`, an HTTP action its method at `/http/...`.
        """
        from convex_nb.deployment.description.openapi import openapi

        self._check_open()
        return openapi(self._registry.functions, self._answering_routes(), self._name, self._url)

    def json_schemas(self, *, delta: bool = False) -> dict[str, Any]:
        """The JSON Schema of each table's documents; with `delta`, of what `document_deltas` says of them.

        A table without a schema gets one of what is stored in it. Costs O(documents) of such tables.
        """
        from convex_nb.deployment.description.json_schemas import json_schemas

        declared = {} if self._schema is None else self._schema.tables
        others = [name for name in self.tables if name not in declared]
        inferred = self.infer_schema(*others).tables if others else {}
        return json_schemas({**declared, **inferred}, delta=delta)

    def codegen(self, path: str | PathLike[str] | None = None) -> str:
        """The text of a Python module with the types of documents and functions; written to `path`, if there is one.

        Its `Api(dep).messages.send(author="Ada")` is checked by mypy. The same functions and schema give the same text.
        """
        from convex_nb.deployment.description.codegen import codegen

        self._check_open()
        text = codegen(self._registry.functions, self._schema)
        if path is not None:
            try:
                Path(path).write_text(text, encoding="utf-8")
            except OSError as error:
                raise StorageError(f"{path} cannot be written: {error.strerror or error}.", path=str(path)) from None
        return text

    def mcp_tools(
        self, *, read_only: bool = False, disable: Iterable[str] = ()
    ) -> dict[str, Callable[..., dict[str, Any]]]:
        """What `convex-nb mcp` offers to a language model, as functions by name: their docstrings say what they do.

        With `read_only` none of them changes anything. Raises `InvalidValueError` for one to `disable` that there is
        not.
        """
        from convex_nb.deployment.observability.events import events_of
        from convex_nb.deployment.tools.tools import Tools

        self._check_open()
        deployment = cast("Deployment", self)
        names = [disable] if isinstance(disable, str) else disable
        tools = Tools(lambda **_: nullcontext(deployment), lambda: events_of(self._log), read_only=read_only)
        return {name: tool.function for name, tool in tools.chosen(names).items()}

    def on_exception(self, reporter: Reporter, /) -> Callable[[], None]:
        """Call `reporter(error, tags)` with whatever a function raises from now on; what this returns ends it.

        It is called at once, on the function's thread, so that it finds the traceback. `tags` are `func`, `func_type`,
        `func_runtime`, `request_id`, `server_name`, `environment` and, if there is one, `user`.
        """
        self._check_open()
        if not callable(reporter):
            raise InvalidValueError(
                f"on_exception() takes a function: `def report(error, tags): ...`, not {describe(reporter, 80)}.",
                value=reporter,
            )
        return self._log.exceptions.add(reporter)

    def health(self) -> Health:
        """How it does: failures and cache hits of the last hour, the scheduler, insights. Costs O(calls in the log)."""
        from convex_nb.deployment.observability.health import health

        self._check_open()
        return health(cast("Deployment", self), self._database.clock.now_ns() / 1e6)

    def insights(self) -> list[Insight]:
        """Which functions read more in one call than Convex would let them, or nearly so, or conflict with others.

        Of the newest calls that `dep.logs.executions` has. Costs O(calls).
        """
        from convex_nb.deployment.observability.events import events_of
        from convex_nb.deployment.observability.insights import insights

        self._check_open()
        return insights(events_of(self._log))

    def _answering_routes(self) -> list[Route]:
        return [] if self._router is None else answering_routes(self._router, self._registry.components)

    @property
    def _schema(self) -> SchemaDefinition | None:
        return self._database.head.schema

    @property
    def _url(self) -> str | None:
        return next((door.url for door in self._doors if isinstance(door, Server)), None)

    @property
    def _name(self) -> str:
        return "memory" if self.path is None else self.path.stem
