"""Health: whether a deployment does what it should, in a few figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.deployment.observability.insights import Insight

HOUR_MS: Final = 3_600_000
LATE_MS: Final = 5_000
"""From here on a job that has not begun is overdue."""
PUSHED: Final = ("function", "schema", "cron", "auth provider")
"""What changes of are a push."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a deployment does. Rates are between 0 and 1, `None` where nothing was called."""

    calls: int
    """Of functions, in the last hour."""
    failure_rate: float | None
    """How many of them failed."""
    cache_hit_rate: float | None
    """How many calls of queries the cache answered."""
    scheduler_lag_ms: float
    """How late the first scheduled function is that waits; 0 if none is."""
    paused: bool
    last_push_ms: float | None
    """When functions, the schema, crons or auth providers were changed last, since it was opened."""
    log_sinks: int
    """To how many places the log is handed on."""
    insights: tuple[Insight, ...]
    """What comes close to a limit, or conflicts."""

    @property
    def is_overdue(self) -> bool:
        """Whether scheduled functions wait for longer than they should."""
        return self.scheduler_lag_ms >= LATE_MS

    def __str__(self) -> str:
        scheduler = (
            "paused" if self.paused else f"overdue by {self.scheduler_lag_ms / 1e3:.0f} s" if self.is_overdue else "OK"
        )
        return "\n".join(
            [
                f"{self.calls:,} calls in the last hour, {_percent(self.failure_rate)} failed",
                f"{_percent(self.cache_hit_rate)} of queries answered by the cache",
                f"scheduler: {scheduler}",
                *[f"{insight}" for insight in self.insights],
            ]
        )


def health(deployment: Deployment, now_ms: float) -> Health:
    """Return how a deployment does. Costs O(calls that its log has)."""
    recent = [tally for began, tally in deployment.metrics.minutes() if began >= now_ms - HOUR_MS]
    calls = sum(tally.calls for tally in recent)
    asked = sum(tally.calls for tally in recent if tally.kind == "query")
    pushes = [event.time_ms for event in deployment.audit if event.what in PUSHED]
    return Health(
        calls=calls,
        failure_rate=_share(sum(tally.errors for tally in recent), calls),
        cache_hit_rate=_share(sum(tally.cached for tally in recent), asked),
        scheduler_lag_ms=deployment.schedules.lag_ms,
        paused=deployment.paused,
        last_push_ms=pushes[-1] if pushes else None,
        log_sinks=len(deployment.logs.sinks),
        insights=tuple(deployment.insights()),
    )


def _share(some: int, every: int) -> float | None:
    return some / every if every else None


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.3g} percent"
