"""A copy of a deployment to try things on: it shares the documents until one of the two changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from convex_nb.deployment.foundation import Foundation

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.definition import Function

_LEFT_OUT: Final = frozenset({"_scheduled_functions", "_cron_jobs", "_cron_runs"})
"""What the original is going to do is not done twice."""


class Forking(Foundation):
    """What a deployment does with copies of itself."""

    def fork(self) -> Deployment:
        """A deployment in memory with the same documents, schema and functions; nothing flows back.

        Both share what neither of them changes. Scheduled functions and crons stay with the original. Its past begins
        now. Costs O(tables + functions).
        """
        from convex_nb.deployment.deployment import Deployment
        from convex_nb.services.backup import copied_database

        self._check_open()
        forked = Deployment(copied_database(self._database, _LEFT_OUT), self._mode)
        modules: dict[str, list[Function]] = {}
        for path, function in self._registry.functions.items():
            modules.setdefault(path.rpartition(":")[0], []).append(function)
        forked._registry.register_modules(modules)
        forked._registry.install(self._registry.components)
        # The same objects are registered twice: the entry that they know stays that of the original.
        self._registry.register_modules(modules)
        return forked
