"""The figures of a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convex_nb.engine.database_statistics import DatabaseStatistics
    from convex_nb.functions.cache import CacheStatistics
    from convex_nb.functions.live.reactor_statistics import ReactorStatistics
    from convex_nb.services.scheduling.executor import SchedulingStatistics


@dataclass(frozen=True, slots=True)
class DeploymentStatistics:
    """The figures of a deployment."""

    database: DatabaseStatistics
    """Tables, commits, conflicts, history."""
    cache: CacheStatistics
    """The query cache."""
    reactor: ReactorStatistics
    """Live queries and subscriptions."""
    scheduling: SchedulingStatistics
    """What runs by the clock."""
    functions: int
    """Registered functions."""
    retries: int
    """How often a mutation ran again because of a conflict."""
