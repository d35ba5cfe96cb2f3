"""What the reactor counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReactorStatistics:
    """The figures of the reactor."""

    subscriptions: int
    """Open subscriptions."""
    watched: int
    """Open live queries of views."""
    queries: int
    """Distinct queries behind them."""
    runs: int
    """How often one of them ran."""
    announcements: int
    """How often a result had changed."""
    rounds: int
    """Rounds of eager runs."""
