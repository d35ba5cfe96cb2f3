"""All functions as JSON, in the form that Convex's own tools exchange."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from convex_nb.functions.definition import Function
    from convex_nb.functions.http.router import Route

_ANY: Final = {"type": "any"}


def function_spec(functions: Mapping[str, Function], routes: Iterable[Route], url: str | None) -> dict[str, Any]:
    """Return the functions by path, then the HTTP actions by theirs; `url` is where they are served, if they are."""
    listed = [_function(path, function) for path, function in sorted(functions.items())]
    answering = [{"functionType": "HttpAction", "method": each.method, "path": each.path} for each in routes]
    return {"url": url, "functions": listed + answering}


def _function(path: str, function: Function) -> dict[str, Any]:
    return {
        "identifier": path,
        "functionType": function.kind.capitalize(),
        "visibility": {"kind": function.visibility},
        "args": function.args.json,
        "returns": _ANY if function.returns is None else function.returns.json,
    }
