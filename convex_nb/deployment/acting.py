"""Calling functions for somebody: what an action calls, what a test does as a user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convex_nb.functions.definition import merge_arguments
from convex_nb.functions.origin import ADMINISTRATOR, Origin

if TYPE_CHECKING:
    from convex_nb.deployment.calling import Calling
    from convex_nb.functions.registry import Target


class Acting:
    """Calls public and internal functions of a deployment, all with one origin: for one identity, in one request."""

    def __init__(self, deployment: Calling, origin: Origin = ADMINISTRATOR) -> None:
        self._deployment = deployment
        self._origin = origin

    def query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a query at the newest commit. Raises what it raises."""
        entry = self._deployment._find(function, "query")
        return self._deployment._query(entry, merge_arguments(entry.path, args, kwargs), self._origin)

    def mutation(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run a mutation and commit it. Raises what it raises; nothing is written then."""
        entry = self._deployment._find(function, "mutation")
        return self._deployment._mutation(entry, merge_arguments(entry.path, args, kwargs), self._origin)

    def action(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once, and wait for it. Raises what it raises."""
        entry = self._deployment._find(function, "action")
        return self._deployment._action(entry, merge_arguments(entry.path, args, kwargs), self._origin)

    async def action_async(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run an action, once, without holding up the loop. Raises what it raises."""
        entry = self._deployment._find(function, "action")
        return await self._deployment._action_async(entry, merge_arguments(entry.path, args, kwargs), self._origin)
