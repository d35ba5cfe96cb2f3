"""What the tour has done, asked of the deployment in its kernel, by the words of its closing table."""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING

import convex_nb

if TYPE_CHECKING:
    from convex_nb.views.live_view import LiveView

SAMPLES = 10
NEVER = 1e9


def figures(board: LiveView) -> dict[str, float]:
    """The figures; `board` is the tour's departure board."""
    deployment = convex_nb.current()
    seen = deployment.statistics()
    return {
        "rows imported": deployment.table("flights").count(),
        "queries live": seen.reactor.watched,
        "commits made": seen.database.commits,
        "views re-rendered": seen.reactor.announcements,
        "commit to view": commit_to_view_ms(board),
    }


def commit_to_view_ms(board: LiveView) -> float:
    """The median lag of the board behind a commit. Its first flight is delayed by a minute and put back each time."""
    lags: list[float] = []
    moved = threading.Event()

    def on_value(_: object) -> None:
        lags.append((time.time_ns() - board.timestamp) / 1e6)
        moved.set()

    board.observe(on_value, "value")
    first = board.value[0]["_id"]
    for sample in range(SAMPLES):
        time.sleep(0.15)  # until the moment in which commits are gathered has passed
        moved.clear()
        convex_nb.current().mutation("flights:delay", flight=first, minutes=-1 if sample % 2 else 1)
        moved.wait(5)
    board.unobserve(on_value, "value")
    return round(statistics.median(lags), 1) if len(lags) == SAMPLES else NEVER
