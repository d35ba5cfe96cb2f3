"""Calling functions for somebody: what an action calls, what a test does as a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convex_nb.functions.components.boundary import crossing
from convex_nb.functions.definition import merge_arguments
from convex_nb.functions.origin import ADMINISTRATOR, Origin

if TYPE_CHECKING:
    from convex_nb.deployment.calling import Calling
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.registry import Entry, Target


class Acting:
    """Calls public and internal functions of a deployment, all with one origin: for one identity, in one request.

    `component` is the path of the one whose code calls, `""` for the application's.
    """

    def __init__(self, deployment: Calling, origin: Origin = ADMINISTRATOR, component: str = "") -> None:
        self._deployment = deployment
        self._origin = origin
        self._component = component

    def query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a query at the newest commit. Raises what it raises."""
        entry, given = self._prepared(function, "query", args, kwargs)
        return self._back(entry, self._deployment._query(entry, given, self._origin))

    def mutation(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a mutation and commit it. Raises what it raises; nothing is written then."""
        entry, given = self._prepared(function, "mutation", args, kwargs)
        return self._back(entry, self._deployment._mutation(entry, given, self._origin))

    def action(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once, and wait for it. Raises what it raises."""
        entry, given = self._prepared(function, "action", args, kwargs)
        return self._back(entry, self._deployment._action(entry, given, self._origin))

    async def action_async(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once, without holding up the loop. Raises what it raises."""
        entry, given = self._prepared(function, "action", args, kwargs)
        return self._back(entry, await self._deployment._action_async(entry, given, self._origin))

    def _prepared(
        self, function: Target, kind: Kind, args: Mapping[str, Any] | None, kwargs: Mapping[str, Any]
    ) -> tuple[Entry, Mapping[str, Any] | None]:
        entry = self._deployment._find(function, kind, self._component)
        given = merge_arguments(entry.path, args, kwargs)
        return entry, crossing(entry, self._component, given)

    def _back(self, entry: Entry, value: Any) -> Any:
        return crossing(entry, self._component, value)
