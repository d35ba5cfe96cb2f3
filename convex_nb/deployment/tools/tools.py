"""The tools: each takes and gives plain JSON, and says in its docstring to the model what it is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from convex_nb._version import __version__
from convex_nb.deployment.definitions import anonymous_function
from convex_nb.deployment.remote.remote import Remote
from convex_nb.language.encoding import dumps, from_json, to_json
from convex_nb.language.errors import FunctionNotFoundError, InvalidValueError, ReadOnlyError, ServerError
from convex_nb.language.values import UNDEFINED

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment

MOST_ROWS: Final = 1000
"""Documents, rows and events that one answer has."""


class Opened(Protocol):
    """Opens the deployment that the tools are for, as long as one of them uses it."""

    def __call__(self, *, to_write: bool = False, to_call: bool = False) -> AbstractContextManager[Deployment]:
        """`to_write` in it, or `to_call` functions, which have to be there then."""
        ...


class Tool(NamedTuple):
    """A tool: its name, as Convex calls it, what it does, and whether it can change something."""

    name: str
    function: Callable[..., dict[str, Any]]
    changes: bool


class Tools:
    """The tools of one deployment. With `read_only` functions that could change something are refused."""

    def __init__(
        self, opened: Opened, events: Callable[[], Iterable[dict[str, Any]]], *, read_only: bool = False
    ) -> None:
        self._opened = opened
        self._events = events
        self._read_only = read_only

    def chosen(self, disabled: Iterable[str] = ()) -> dict[str, Tool]:
        """The tools that are offered, by name. Raises `InvalidValueError` for one in `disabled` that there is not."""
        every = [
            Tool("status", self.status, False),
            Tool("tables", self.tables, False),
            Tool("data", self.data, False),
            Tool("runOneoffQuery", self.run_oneoff_query, False),
            Tool("functionSpec", self.function_spec, False),
            Tool("run", self.run, not self._read_only),
            Tool("logs", self.logs, False),
            Tool("envList", self.env_list, False),
            Tool("envGet", self.env_get, False),
            Tool("envSet", self.env_set, True),
            Tool("envRemove", self.env_remove, True),
        ]
        names = [tool.name for tool in every]
        disabled = set(disabled)
        for name in sorted(disabled):
            if name not in names:
                raise InvalidValueError(f"There is no tool {name!r}: there are {', '.join(names)}.", value=name)
        return {
            tool.name: tool for tool in every if tool.name not in disabled and not (self._read_only and tool.changes)
        }

    # -- looking -------------------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Say which deployment this is: its file, its newest commit, how many documents each table has."""
        with self._opened() as deployment:
            return {
                "deployment": Remote(deployment).name,
                "file": None if deployment.path is None else str(deployment.path),
                "timestamp": deployment.timestamp,
                "documents": {name: table.count() for name, table in deployment.tables.items()},
                "readOnly": self._read_only,
                "version": __version__,
            }

    def tables(self) -> dict[str, Any]:
        """List the tables: documents, indexes, and the schema as JSON Schema, inferred from what is stored where none
        is declared."""
        with self._opened() as deployment:
            declared = () if deployment.schema is None else deployment.schema.tables
            schemas = deployment.json_schemas()
            return {
                name: {
                    "documents": deployment.table(name).count(),
                    "indexes": {index: list(fields) for index, fields in deployment.table(name).indexes.items()},
                    "searches": deployment.table(name).searches,
                    "isDeclared": name in declared,
                    "schema": schema,
                }
                for name, schema in schemas.items()
            }

    def data(
        self,
        tableName: str,  # noqa: N803
        order: str = "desc",
        cursor: str | None = None,
        limit: int = 100,
    ) -> dict[str, Any]:
        """Read a page of a table's documents, newest first unless `order` is "asc". `continueCursor` is the `cursor` of
        the next page. System tables are `_storage` and `_scheduled_functions`. Numbers that JSON lacks are tagged."""
        _check_limit(limit)

        def page(ctx: Any) -> Any:
            db = ctx.db.system if tableName.startswith("_") else ctx.db
            return db.query(tableName).order(order).paginate(num_items=limit, cursor=cursor)

        with self._opened() as deployment:
            if not tableName.startswith("_") and tableName not in deployment.tables:
                raise InvalidValueError(
                    f"There is no table {tableName!r}: there are {', '.join(deployment.tables) or 'none yet'}.",
                    value=tableName,
                )
            found = deployment.query(anonymous_function(page, "query", "data"))
        return {name: to_json(found[name]) for name in ("page", "isDone", "continueCursor")}

    def run_oneoff_query(self, query: str, limit: int = 100) -> dict[str, Any]:
        """Run one SELECT of DuckDB's SQL over the tables, which are named as they are; fields are columns, lists and
        structs. It reads one moment, can reach nothing else, and writes nothing."""
        _check_limit(limit)
        with self._opened() as deployment:
            result = deployment.sql(query)
            rows = [to_json(row) for row in result.values()[:limit]]
            return {"columns": result.columns, "rows": rows, "isTruncated": len(result) > limit}

    def function_spec(self) -> dict[str, Any]:
        """List the functions and HTTP actions: path, kind, visibility, and the validators of arguments and results."""
        with self._opened(to_call=True) as deployment:
            return deployment.function_spec()

    def logs(self, since: float = 0, limit: int = 100) -> dict[str, Any]:
        """Read the newest log lines and calls after a time in milliseconds, oldest first. `newest` is the next
        `since`."""
        _check_limit(limit)
        entries = [event for event in self._events() if event.get("timestamp", 0) > since][-limit:]
        return {"entries": entries, "newest": max([event.get("timestamp", 0) for event in entries], default=since)}

    # -- calling -------------------------------------------------------------------------------------------------

    def run(
        self,
        functionName: str,  # noqa: N803
        args: dict[str, Any] | None = None,
        identity: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Call a query, mutation or action by its path, as in "messages:send", with its arguments as one JSON object;
        `identity` are the claims of the user to call it as. Gives its `value` and the `logLines` that it printed."""
        given: Any = from_json(args or {})
        with self._opened(to_call=True) as deployment:
            function = deployment.functions.get(functionName)
            if function is None:
                raise FunctionNotFoundError(
                    f"There is no function {functionName!r}: there are {', '.join(deployment.functions) or 'none'}.",
                    path=functionName,
                )
            is_query = function.kind == "query"
        if self._read_only and not is_query:
            raise ReadOnlyError(f"{functionName} is a {function.kind}, and may change something: it did not run.")
        with self._opened(to_write=not is_query, to_call=True) as deployment:
            caller = Remote(deployment).administrator(identity)
            call: Callable[..., Any] = getattr(caller, function.kind)
            answer = call(functionName, given)
            if function.kind == "mutation":
                caller.after_mutation()
        if answer.failure is not None:
            said = [answer.failure.message, *answer.log_lines]
            if answer.failure.data is not UNDEFINED:
                said.insert(1, f"Data: {dumps(answer.failure.data)}")
            raise ServerError("\n".join(said), request_id=answer.failure.request_id)
        return {"value": to_json(answer.value), "logLines": answer.log_lines}

    # -- the environment -----------------------------------------------------------------------------------------

    def env_list(self) -> dict[str, Any]:
        """List the names of the environment variables. Their values may be secrets: `envGet` gives one."""
        with self._opened() as deployment:
            return {"names": list(deployment.env)}

    def env_get(self, name: str) -> dict[str, Any]:
        """Get the value of an environment variable, `null` if there is none."""
        with self._opened() as deployment:
            return {"name": name, "value": deployment.env.get(name)}

    def env_set(self, name: str, value: str) -> dict[str, Any]:
        """Set an environment variable. Queries that read it run again."""
        with self._opened(to_write=True) as deployment:
            deployment.env[name] = value
        return {"set": name}

    def env_remove(self, name: str) -> dict[str, Any]:
        """Remove an environment variable."""
        with self._opened(to_write=True) as deployment:
            if deployment.env.pop(name, None) is None:
                raise InvalidValueError(f"There is no environment variable {name!r}: nothing was removed.", value=name)
        return {"removed": name}


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MOST_ROWS:
        raise InvalidValueError(f"`limit` is from 1 to {MOST_ROWS:,}, not {limit}.", value=limit)
