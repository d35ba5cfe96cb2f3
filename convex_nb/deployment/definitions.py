"""Functions made of plain `def`s, as cells make them."""

from __future__ import annotations

from convex_nb.functions.definition import Function, Handler, Kind, Visibility


def define_function(handler: Handler, kind: Kind, visibility: Visibility = "public") -> Function:
    """Return a handler as a function that is not registered yet. Raises `SchemaDefinitionError`."""
    return Function(handler, kind, visibility)


def anonymous_function(handler: Handler, kind: Kind, name: str) -> Function:
    """Return a handler as a function that can be run and watched but is not in `dep.functions`; logs say `name`."""
    return Function(handler, kind, name=name)
