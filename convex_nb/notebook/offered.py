"""Names that cells of functions use without importing them."""

from __future__ import annotations

import ast
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final

from convex_nb.deployment.current import current
from convex_nb.deployment.data.tables import Table, Tables
from convex_nb.deployment.definitions import Function
from convex_nb.deployment.deployment import Deployment
from convex_nb.deployment.environment import Environment
from convex_nb.language.documents import Document
from convex_nb.language.errors import ConvexError, DeploymentClosedError
from convex_nb.language.validators import v
from convex_nb.language.value_types import UNDEFINED, Id, Int64

OFFERED: Final = {"v": v, "Id": Id, "Int64": Int64, "UNDEFINED": UNDEFINED, "ConvexError": ConvexError}
_IMPORTED: Final = frozenset(
    [
        *OFFERED,
        *("live", "form", "paginated", "SKIP", "api", "internal", "components", "cron_jobs"),
        *("query", "mutation", "action", "internal_query", "internal_mutation", "internal_action"),
        *("define_schema", "define_table", "http_action", "http_router"),
    ]
)
_WRITES: Final = frozenset(["insert", "insert_many", "patch", "replace", "delete"])


def offer(namespace: MutableMapping[str, Any], tree: ast.AST) -> None:
    """Bind the offered names that a cell reads, unless the notebook has names of its own that are called so.

    In the notebook's namespace, since that is where the functions of a cell look for names when they run.
    """
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in read & OFFERED.keys():
        namespace.setdefault(name, OFFERED[name])


def advice(error: BaseException) -> str:
    """Return what helps against an error that a reader of our pages would make; `""` against any other."""
    if isinstance(error, NameError):
        return _undefined(error)
    if isinstance(error, AttributeError):
        return _not_there(error.obj, error.name or "")
    if isinstance(error, TypeError) and str(error) == "'Reference' object is not callable":
        return "A reference names a function to whoever calls it: `dep.query(api.messages.recent)`."
    if isinstance(error, DeploymentClosedError) and _is_open():
        return "The notebook goes on with another one: `dep = convex_nb.current()`."
    return ""


def _undefined(error: NameError) -> str:
    name = error.name
    if name in _IMPORTED:
        return f"Write `from convex_nb import {name}`."
    if name == "convex_nb":
        return "Write `import convex_nb`."
    if name in ("dep", "deployment"):
        return f"Write `{name} = convex_nb.current()`: the deployment of this notebook."
    if name in ("db", "ctx") and not any("ctx.db" in note for note in getattr(error, "__notes__", ())):
        cells = f"`{name}` is there in a %%convex_query or %%convex_mutation cell"
        return f"{cells}; elsewhere write `with dep.transaction() as db:`."
    return ""


def _is_open() -> bool:
    try:
        current()
    except DeploymentClosedError:
        return False
    return True


def _not_there(owner: object, name: str) -> str:
    if isinstance(owner, Function):
        called = owner.__name__
        view = f"; `live({called})` is a view of its answer, with `.value` and `.df()`" if owner.kind == "query" else ""
        return f"`{called}` is the function. Its answer is `{called}(...)`{view}."
    if isinstance(owner, Document):
        return f"A document is a dict: `document[{name!r}]`."
    if isinstance(owner, (Deployment, Table)) and name in _WRITES:
        return f"What a cell writes is a transaction: `dep.transact(lambda db: db.{name}(...))`."
    if isinstance(owner, Deployment) and name in ("crons", "jobs", "scheduler"):
        return "What runs by the clock is `dep.schedules`; its `.crons` are what runs again and again."
    if isinstance(owner, (Deployment, Tables)):
        with suppress(DeploymentClosedError):
            tables = owner.tables if isinstance(owner, Deployment) else owner
            return f"A table of it is `dep.table({name!r})`." if name in tables else ""
    if isinstance(owner, Table) and name[0] != "_":
        return f"All of it as a DataFrame is `dep.table({owner.name!r}).df()`."
    if isinstance(owner, Environment):
        return f"A variable of it is `dep.env[{name!r}]`."
    return ""
