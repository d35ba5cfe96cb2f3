"""`dep.metrics`: how functions have been doing since the deployment was opened."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Any, Final

from convex_nb.functions.logs.tallies import Tally
from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas

    from convex_nb.functions.logs.tallies import Tallies

COLUMNS: Final = (
    "path",
    "kind",
    "calls",
    "errors",
    "hit_rate",
    "p50_ms",
    "p95_ms",
    "retries",
    "documents_read",
    "documents_written",
)
"""What is said of each function. `p50_ms` and `p95_ms` are of the calls that ran, not of answers from the cache."""


class Metrics:
    """Calls, errors, cache hit rate and durations by function; `.df()`, or `.df(every=...)` over time.

    Durations are within 5 percent. Iterating gives a dict for each function.
    """

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter([_row(tally) for tally in self._tallies.totals()])

    def __len__(self) -> int:
        return len(self._tallies.totals())

    def minutes(self) -> Iterator[tuple[int, Tally]]:
        """Each function in each minute in which it ran, oldest first: when the minute began, in milliseconds."""
        return self._tallies.minutes()

    def df(self, *, every: timedelta | None = None) -> pandas.DataFrame:
        """A row for each function or, with `every`, for each function in each such stretch of time, UTC.

        `every` is whole minutes. Of the past the newest 10,000 pairs of a function and a minute are known.
        """
        import pandas as pd

        if every is None:
            return pd.DataFrame(list(self), columns=list(COLUMNS))
        if not isinstance(every, timedelta) or every < timedelta(minutes=1) or every % timedelta(minutes=1):
            raise InvalidValueError(
                f"`every` is a timedelta of whole minutes, such as timedelta(minutes=5), not {every!r}.", value=every
            )
        length = round(every / timedelta(milliseconds=1))
        stretches: dict[tuple[int, str, str], Tally] = {}
        for began, tally in self._tallies.minutes():
            key = (began - began % length, tally.path, tally.kind)
            stretches.setdefault(key, Tally(tally.path, tally.kind)).merge(tally)
        frame = pd.DataFrame([_row(tally) for tally in stretches.values()], columns=list(COLUMNS))
        frame.insert(0, "time", pd.to_datetime([began for began, _, _ in stretches], unit="ms", utc=True))
        return frame

    def __repr__(self) -> str:
        lines = [
            f"{row['path']}  {row['calls']:,} calls, {row['errors']:,} errors, p95 {_text(row['p95_ms'])} ms"
            for row in self
        ]
        return "\n".join(lines) or "no function has run yet"

    def _repr_html_(self) -> str:
        head = "".join([f"<th>{name.replace('_', ' ')}</th>" for name in COLUMNS])
        rows = "".join(
            ["<tr>" + "".join([f"<td>{escape(_text(row[name]))}</td>" for name in COLUMNS]) + "</tr>" for row in self]
        )
        return f"<table><tr>{head}</tr>{rows}</table>" if rows else f"<p>{self!r}</p>"


def _row(tally: Tally) -> dict[str, Any]:
    return {
        "path": tally.path,
        "kind": tally.kind,
        "calls": tally.calls,
        "errors": tally.errors,
        "hit_rate": tally.hit_rate,
        "p50_ms": tally.quantile(0.5),
        "p95_ms": tally.quantile(0.95),
        "retries": tally.retries,
        "documents_read": tally.documents_read,
        "documents_written": tally.documents_written,
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
