"""Names that cells of functions use without importing them."""

from __future__ import annotations

import ast
from collections.abc import MutableMapping
from typing import Any, Final

from convex_nb.language.errors import ConvexError
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


def offer(namespace: MutableMapping[str, Any], tree: ast.AST) -> None:
    """Bind the offered names that a cell reads, unless the notebook has names of its own that are called so.

    In the notebook's namespace, since that is where the functions of a cell look for names when they run.
    """
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for name in read & OFFERED.keys():
        namespace.setdefault(name, OFFERED[name])


def advice(error: BaseException) -> str:
    """Return what helps against a name that is not defined, if it is one that a reader of our pages would write."""
    name = error.name if isinstance(error, NameError) else None
    if name in _IMPORTED:
        return f"Write `from convex_nb import {name}`."
    if name == "convex_nb":
        return "Write `import convex_nb`."
    if name in ("dep", "deployment"):
        return f"Write `{name} = convex_nb.current()`: the deployment of this notebook."
    if name in ("db", "ctx"):
        cells = f"`{name}` is there in a %%convex_query or %%convex_mutation cell"
        return f"{cells}; elsewhere write `with dep.transaction() as db:`."
    return ""
