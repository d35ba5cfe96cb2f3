"""`%convex functions`, `logs` and `metrics`: what there is to run, what ran, and how it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from convex_nb.notebook.cards import milliseconds
from convex_nb.notebook.session import get_session
from convex_nb.views.log_view import LogView
from convex_nb.views.sheet import Heading, Sheet

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment

RIGHT: Final = ("calls", "errors", "p50", "p95", "cached", "retries", "read", "written")


def functions(deployment: Deployment) -> Sheet:
    """The functions, their arguments, how often they ran, and whether the notebook still shows them."""
    shown = [view.path for view in get_session().flush.views]
    rows = [
        [
            row["path"],
            row["kind"] if row["visibility"] == "public" else f"internal {row['kind']}",
            row["arguments"],
            row["defined_in"],
            f"{row['calls']:,}",
            _duration(row["p50_ms"]),
            str(shown.count(row["path"]) or ""),
        ]
        for row in deployment.functions.rows()
    ]
    names = ("function", "kind", "arguments", "defined in", "calls", "p50", "live views")
    return Sheet(
        [Heading(name, "right" if name in RIGHT else "left") for name in names],
        rows,
        caption="" if rows else "No functions yet: define one in a %%convex_query cell.",
    )


def logs(deployment: Deployment) -> LogView:
    """The newest calls with what they printed, newest first; it follows what runs."""
    return get_session().open_log(deployment)


def metrics(deployment: Deployment) -> Sheet:
    """How each function has been doing since the deployment was opened."""
    rows = [
        [
            row["path"],
            f"{row['calls']:,}",
            f"{row['errors']:,}",
            "" if row["hit_rate"] is None else f"{row['hit_rate']:.0%}",
            _duration(row["p50_ms"]),
            _duration(row["p95_ms"]),
            f"{row['retries']:,}",
            f"{row['documents_read']:,}",
            f"{row['documents_written']:,}",
        ]
        for row in deployment.metrics
    ]
    names = ("function", "calls", "errors", "cached", "p50", "p95", "retries", "read", "written")
    return Sheet(
        [Heading(name, "right" if name in RIGHT else "left") for name in names],
        rows,
        caption="over time: dep.metrics.df(every=timedelta(minutes=1))" if rows else "No function has run yet.",
    )


def _duration(ms: float | None) -> str:
    return "" if ms is None else milliseconds(ms)
