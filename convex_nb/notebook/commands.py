"""The sub-commands of `%convex`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from IPython.core.error import UsageError
from IPython.display import Code

from convex_nb._version import __version__
from convex_nb.deployment.current import current, set_current
from convex_nb.deployment.opening import open as open_deployment
from convex_nb.language.describing import counted
from convex_nb.language.errors import DeploymentLockedError, FunctionNotFoundError
from convex_nb.notebook.dashboard import dashboard
from convex_nb.notebook.data_commands import export, history, import_file
from convex_nb.notebook.declared_schema import extent
from convex_nb.notebook.observing import functions, logs, metrics
from convex_nb.notebook.options import nearest
from convex_nb.notebook.plans import explain
from convex_nb.notebook.schedules import env, schedules
from convex_nb.notebook.serving import serve
from convex_nb.notebook.session import get_session
from convex_nb.notebook.stored_files import files
from convex_nb.views.card import Card, Part
from convex_nb.views.sheet import Heading, Sheet

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment

AUTOMATIC: Final = ("by_id", "by_creation_time")
"""The indexes that every table has."""


def run_command(line: str) -> Any:
    """Run `%convex line`. Raises `UsageError` with the nearest command for one that is not known."""
    name, _, rest = (line.strip() or "status").partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        raise UsageError(f"%convex has no command {name!r}.{nearest(name, COMMANDS)} See %convex help.")
    parameters = list(signature(command).parameters.values())[1:]
    taken = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]
    # What follows the last one is one text.
    words = rest.split() if len(taken) == len(parameters) else rest.split(maxsplit=len(taken))
    if len(words) < len(taken) or len(words) > len(parameters):
        what = f"takes {' '.join(taken).upper()}" if taken else "takes nothing after it"
        raise UsageError(f"%convex {name} {what}. See %convex help.")
    plain = [word.strip("\"'") for word in words[: len(taken)]]
    return command(current(), *plain, *words[len(taken) :])


def status(deployment: Deployment) -> Card:
    """What there is, in five lines."""
    statistics = deployment.statistics()
    tables = ", ".join(f"{name} ({table.count():,})" for name, table in deployment.tables.items())
    kinds = [function.kind for function in deployment.functions.values()]
    functions = ", ".join(counted(kinds.count(kind), kind) for kind in sorted(set(kinds)))
    views = counted(len(get_session().flush.views), "live view")
    lines: list[list[Part]] = [
        [("name", f"convex_nb {__version__}:"), ("plain", place(deployment))],
        [("soft", "tables:"), ("plain", tables or "none yet")],
        [("soft", "functions:"), ("plain", functions or "none yet")],
        [("soft", "now:"), ("plain", f"{views}, {counted(statistics.database.commits, 'commit')}")],
        [("soft", "%convex"), ("code", " | ".join(name for name in COMMANDS if name != "status"))],
    ]
    if deployment.components:
        lines.insert(3, [("soft", "components:"), ("plain", ", ".join(deployment.components))])
    if deployment.server is not None:
        lines.insert(-1, [("soft", "served at:"), ("code", deployment.server.url)])
    return Card(lines)


def tables(deployment: Deployment) -> Sheet:
    """The tables, their documents and indexes."""
    declared = {} if deployment.schema is None else deployment.schema.tables
    rows = [
        [
            name,
            f"{table.count():,}",
            extent(declared[name]).strip("()") if name in declared else "not in the schema",
            ", ".join(
                [
                    *[
                        f"{each} ({', '.join(fields)})"
                        for each, fields in table.indexes.items()
                        if each not in AUTOMATIC
                    ],
                    *[f"{each} ({what})" for each, what in table.searches.items()],
                    *[
                        f"{each} ({', '.join(staged.fields)}): staged, {staged.indexed:,} of {staged.rows:,} rows"
                        for each, staged in table.staged.items()
                    ],
                ]
            ),
        ]
        for name, table in deployment.tables.items()
    ]
    headings = [Heading("table"), Heading("documents", "right"), Heading("schema"), Heading("indexes")]
    return Sheet(
        headings, rows, caption="" if rows else "No tables yet: declare one in a %%convex_schema cell, or insert."
    )


def schema(deployment: Deployment) -> Any:
    """The schema, as code."""
    if deployment.schema is None:
        declare = "No schema yet: declare tables in a %%convex_schema cell. "
        return Card([[("soft", f"{declare}convex_nb.current().infer_schema() suggests one.")]])
    return Code(deployment.schema.to_code(), language="python")


def drop(deployment: Deployment, name: str) -> Card:
    """Forget a function; views that show it say so until it is defined again."""
    if not deployment.unregister(name):
        near = nearest(name, deployment.functions)
        raise FunctionNotFoundError(f"No function has the path {name!r}, nothing was dropped.{near}", path=name)
    return Card([[("plain", "dropped"), ("name", name)]])


def show_as(_deployment: Deployment, mode: str) -> Card:
    """Plain tables instead of widgets, or back."""
    if mode not in ("static", "live"):
        raise UsageError(f"%convex display takes `static` or `live`, not {mode!r}.")
    get_session().twins.static = mode == "static"
    return Card([[("plain", f"results are shown {'as plain tables' if mode == 'static' else 'live'} from now on")]])


def place(deployment: Deployment) -> str:
    """Where the documents are."""
    return "in-memory deployment" if deployment.place is None else f"deployment in {deployment.place}"


def open_file(deployment: Deployment, path: str) -> Card:
    """Another deployment in place of the current one: what a file holds, created if absent."""
    try:
        opened = open_deployment(path)
    except DeploymentLockedError:
        if deployment.path != Path(path).resolve():
            raise
        # A cell that is run again goes on with the file that is open.
        opened = deployment
    else:
        for view in get_session().flush.views:
            view.close()
        deployment.close()
        set_current(opened)
    tables = ", ".join(f"{name} ({table.count():,})" for name, table in opened.tables.items())
    return Card([[("plain", place(opened))], [("soft", "tables:"), ("plain", tables or "none yet")]])


def save_file(deployment: Deployment, path: str) -> Card:
    """From now on the current deployment lives in a new file; its functions and views go on."""
    deployment.save(path)
    return Card([[("plain", f"saved: {place(deployment)} from now on")]])


def reset(deployment: Deployment) -> Card:
    """A new, empty deployment in place of the current one."""
    for view in get_session().flush.views:
        view.close()
    deployment.close()
    set_current(open_deployment())
    gone = "tables, documents and functions" if deployment.place is None else "functions"
    return Card([[("plain", f"a new in-memory deployment: {gone} of the former one are gone")]])


def help_sheet(_deployment: Deployment) -> Sheet:
    """What each command shows or does."""
    rows = [[_usage(name, command), (command.__doc__ or "").split("\n")[0]] for name, command in COMMANDS.items()]
    return Sheet([Heading("%convex"), Heading("")], rows)


def _usage(name: str, command: Callable[..., Any]) -> str:
    parameters = list(signature(command).parameters.values())[1:]
    return " ".join([name, *["..." if each.kind is each.VAR_POSITIONAL else each.name.upper() for each in parameters]])


COMMANDS: Final[dict[str, Callable[..., Any]]] = {
    "status": status,
    "tables": tables,
    "functions": functions,
    "logs": logs,
    "metrics": metrics,
    "schema": schema,
    "schedules": schedules,
    "env": env,
    "files": files,
    "serve": serve,
    "explain": explain,
    "open": open_file,
    "save": save_file,
    "export": export,
    "import": import_file,
    "history": history,
    "dashboard": dashboard,
    "drop": drop,
    "display": show_as,
    "reset": reset,
    "help": help_sheet,
}
