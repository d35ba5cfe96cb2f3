"""Functions made of plain `def`s, as cells make them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from convex_nb.engine.namespaces import EVERYBODY
from convex_nb.functions.definition import Function, Handler, Kind, Visibility, lost_name
from convex_nb.functions.references import Reference, path_of
from convex_nb.language.describing import describe
from convex_nb.language.errors import FunctionNotFoundError
from convex_nb.language.qualified_names import component_of, local_name

__all__ = [
    "Function",
    "anonymous_function",
    "define_function",
    "document_of",
    "find_function",
    "lasting_name",
    "lost_name",
    "names_after",
]

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.contexts import QueryCtx
    from convex_nb.functions.registry import Target
    from convex_nb.language.documents import Document


def define_function(handler: Handler, kind: Kind, visibility: Visibility = "public") -> Function:
    """Return a handler as a function that is not registered yet. Raises `SchemaDefinitionError`."""
    return Function(handler, kind, visibility)


def anonymous_function(handler: Handler, kind: Kind, name: str) -> Function:
    """Return a handler as a function that can be run and watched but is not in `dep.functions`; logs say `name`."""
    return Function(handler, kind, name=name)


def _read(ctx: QueryCtx, id: str) -> Document | None:
    return ctx.db._transaction.get(id, None, EVERYBODY)


document_of = anonymous_function(_read, "query", "the document of an id")
"""The document of an id, the application's or a component's."""


def lasting_name(deployment: Deployment, target: Target) -> Target:
    """Return how to name a function from now on: by its path, if it has one there, which new code may take over.

    Whoever keeps the function itself, and asks for it later, would put its old code back in place of the new.
    """
    path = getattr(target, "path", None)
    return path if isinstance(path, str) and deployment.functions.get(path) is target else target


def names_after(root: object, parts: Iterable[str]) -> list[str] | None:
    """Return what may follow `api.a.b`, given `api` or `internal` and `["a", "b"]`; `None` for any other object."""
    if not isinstance(root, Reference):
        return None
    for part in parts:
        root = getattr(root, part, root)
    return dir(root)


def find_function(deployment: Deployment, target: Target) -> Function:
    """Return the function that a call would mean, of whichever kind. Raises `FunctionNotFoundError`."""
    if isinstance(target, Function):
        deployment.adopt(target)
        return target
    path = path_of(target) if isinstance(target, Reference) else target
    found = _function_at(deployment, path) if isinstance(path, str) else None
    if found is None:
        near = _near(path, deployment.functions) if isinstance(path, str) else []
        hint = f' Did you mean "{near[0]}"?' if near else ""
        raise FunctionNotFoundError(f"There is no function {describe(path, 80)}.{hint}", path=str(path), available=near)
    return found


def _function_at(deployment: Deployment, path: str) -> Function | None:
    component = component_of(path)
    if not component:
        return deployment.functions.get(path)
    return (
        None
        if component not in deployment.components
        else deployment.components[component].functions.get(local_name(path))
    )


def _near(path: str, known: Iterable[str]) -> list[str]:
    named = [each for each in known if each.rpartition(":")[2] == path]
    return named[:1] or difflib.get_close_matches(path, known, n=1)
