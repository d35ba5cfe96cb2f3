"""Functions made of plain `def`s, as cells make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convex_nb.functions.definition import Function, Handler, Kind, Visibility

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.registry import Target


def define_function(handler: Handler, kind: Kind, visibility: Visibility = "public") -> Function:
    """Return a handler as a function that is not registered yet. Raises `SchemaDefinitionError`."""
    return Function(handler, kind, visibility)


def anonymous_function(handler: Handler, kind: Kind, name: str) -> Function:
    """Return a handler as a function that can be run and watched but is not in `dep.functions`; logs say `name`."""
    return Function(handler, kind, name=name)


def lasting_name(deployment: Deployment, target: Target) -> Target:
    """Return how to name a function from now on: by its path, if it has one there, which new code may take over.

    Whoever keeps the function itself, and asks for it later, would put its old code back in place of the new.
    """
    path = getattr(target, "path", None)
    return path if isinstance(path, str) and deployment.functions.get(path) is target else target
