"""What a cell of definitions does: run, register its functions and bind their names, or leave everything as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any

from convex_nb.deployment.definitions import define_function, lost_name
from convex_nb.notebook.cards import definition_line, shadow_line
from convex_nb.notebook.cell_body import (
    CellBody,
    all_or_nothing,
    evaluate,
    is_builtin,
    returning_nothing,
    run_definitions,
)
from convex_nb.notebook.offered import OFFERED
from convex_nb.views.card import Card, Part

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.definition import Function, Kind, Visibility


@dataclass(frozen=True)
class Defined:
    """What a cell has registered, what is said about it, and whether and as what its last expression came out."""

    functions: list[Function]
    card: Card
    has_value: bool
    value: Any


def define(
    shell: InteractiveShell,
    deployment: Deployment,
    body: CellBody,
    kind: Kind,
    *,
    module: str | None = None,
    visibility: Visibility = "public",
) -> Defined:
    """Run a cell of definitions and register its functions, all or none: a failure leaves names and functions alone."""
    namespace = shell.user_ns
    known = dict(deployment.functions)
    shadows = frozenset(filter(is_builtin, body.handlers))
    kept = {name: namespace[name] for name in shadows if name in namespace}
    with all_or_nothing(namespace, body.bound | OFFERED.keys()):
        last = run_definitions(shell, body)
        functions = [as_function(namespace[name], kind, visibility) for name in body.handlers]
        deployment.register(*functions, module=module)
    for name, function in zip(body.handlers, functions, strict=True):
        namespace[name] = function
    for name in shadows:
        # A notebook's `list` stays Python's: everything else in it may call it.
        del namespace[name]
    namespace.update(kept)
    silent = returning_nothing(body)
    lines: list[list[Part]] = []
    for name, function in zip(body.handlers, functions, strict=True):
        lines.append(definition_line(function, _note(known, function)))
        if name in shadows:
            lines.append(shadow_line(name, function))
        if said := lost_name(function.handler):
            lines.append([("warn", "warning:"), ("plain", said)])
        if function.kind == "query" and name in silent:
            lines.append(
                [("warn", "warning:"), ("plain", f"`{name}` has no `return`, and so its answer is always None.")]
            )
    value = None if last is None else evaluate(shell, body, last)
    return Defined(functions, Card(lines), last is not None, value)


def as_function(handler: Any, kind: Kind, visibility: Visibility) -> Function:
    """Return a handler as a function; one that a decorator has made already stays what it is."""
    return handler if hasattr(handler, "handler") else define_function(handler, kind, visibility)


def _note(known: Mapping[str, Function], function: Function) -> str:
    """Return what happened to a function's path: nothing worth a word when it is new."""
    former = known.get(str(function.path))
    if former is None:
        return ""
    return "unchanged" if former.is_same_as(function) else "replaced"


def required_arguments(function: Function) -> list[str]:
    """Return the names of the arguments that have no default."""
    parameters = signature(function).parameters.values()
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind != parameter.VAR_KEYWORD
    ]
