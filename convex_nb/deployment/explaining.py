"""How a query function reads: the plans of the queries that a run of it makes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from convex_nb.engine.reading.explanation import recording

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.engine.reading.explanation import Explanation
    from convex_nb.engine.reading.search_explanation import SearchExplanation
    from convex_nb.functions.registry import Target


def plans_of(
    deployment: Deployment, function: Target, args: Mapping[str, Any]
) -> list[Explanation | SearchExplanation]:
    """Run a query over the newest commit and return how each `db.query` in it was read, in order.

    If it raises, the plans are those up to there. Runs it now, whatever is cached.
    """
    with recording() as plans, suppress(Exception):
        deployment.at(deployment.timestamp).query(function, args)
    return plans
