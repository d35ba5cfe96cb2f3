"""Function handles: functions as strings, to be stored, passed into components, and called there or later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convex_nb.functions.execution import running
from convex_nb.functions.host import get_host
from convex_nb.functions.registry import HANDLE
from convex_nb.language.errors import DeploymentClosedError, FunctionNotFoundError

if TYPE_CHECKING:
    from convex_nb.functions.registry import Target


def create_function_handle(function: Target) -> str:
    """Return a string that stands for a function wherever one is asked for: `ctx.run_mutation(handle, ...)`.

    One's own functions and the public ones of the components that one uses can be had so. It may be stored, and passed
    to a component, which then calls what it could not name. Whoever is called checks its arguments as ever. Raises
    `FunctionNotFoundError`, and `DeploymentClosedError` where there is no deployment to look for it in.
    """
    execution = running.get()
    if execution is not None:
        registry = execution.runner.registry
        entry = registry.resolve(function, execution.component)
        if not registry.holds(entry):
            raise FunctionNotFoundError(
                f'"{entry.path}" has no handle: it is not registered under a path by which it could be found again. '
                "Give it a path, or a name of its own.",
                path=entry.path,
            )
        return HANDLE + entry.path
    host = get_host()
    if host is None:
        raise DeploymentClosedError(
            "There is no current deployment to find the function in: no handle was made. Make it inside of a function, "
            "or run `convex_nb.set_current(dep)` first."
        )
    return HANDLE + host.path_of(function)
