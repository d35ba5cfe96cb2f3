"""Insights: which functions read too much for one transaction, and which get into each other's way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from convex_nb.language.describing import counted
from convex_nb.language.limits import Limits

InsightKind: TypeAlias = Literal["documentsRead", "bytesRead", "conflictFailed", "conflictRetried"]

NEAR: Final = 0.8
"""The share of a limit from which on a call comes close to it."""
_LIMITS: Final = Limits.convex()
_READS: Final[tuple[tuple[InsightKind, str, int, str], ...]] = (
    ("documentsRead", "database_read_documents", _LIMITS.read_documents, "documents"),
    ("bytesRead", "database_read_bytes", _LIMITS.read_bytes, "bytes"),
)
"""The kind, its figure in an event's `usage`, Convex's limit, and what is counted."""
_READ_LESS: Final = "Paginate, take fewer documents, or use an index with a narrower range."
_CONFLICT_LESS: Final = "Read fewer documents in the mutation, write others, or let one function do both in turn."


@dataclass(frozen=True, slots=True)
class Insight:
    """What one function did again and again that will become, or is, a problem."""

    kind: InsightKind
    function: str
    """Its path."""
    count: int
    """How many of its calls."""
    message: str
    """What happened, with the worst of them."""
    advice: str
    """What to do."""
    worst: dict[str, Any]
    """The event of the worst call."""

    def __str__(self) -> str:
        return f"{self.function}: {self.message} {self.advice}"


def insights(events: Iterable[dict[str, Any]]) -> list[Insight]:
    """Return what log events tell, the most frequent first: calls near or over Convex's limits, and write conflicts.

    The limits are Convex's also where the deployment's own are wider. Costs O(events).
    """
    found: dict[tuple[InsightKind, str], list[tuple[float, dict[str, Any]]]] = {}
    for event in events:
        if event.get("topic") == "function_execution":
            path = str(event.get("function", {}).get("path", ""))
            for kind, badness in _kinds(event):
                found.setdefault((kind, path), []).append((badness, event))
    made = [_insight(kind, path, calls) for (kind, path), calls in found.items()]
    return sorted(made, key=lambda insight: (-insight.count, insight.function, insight.kind))


def _kinds(event: dict[str, Any]) -> Iterable[tuple[InsightKind, float]]:
    usage = event.get("usage", {})
    for kind, figure, limit, _ in _READS:
        if usage.get(figure, 0) >= NEAR * limit:
            yield kind, usage[figure]
    if event.get("occ_info") is not None:
        retries = event.get("mutation_retry_count", 0)
        yield "conflictRetried" if event.get("status") == "success" else "conflictFailed", retries


def _insight(kind: InsightKind, path: str, calls: list[tuple[float, dict[str, Any]]]) -> Insight:
    badness, worst = max(calls, key=lambda call: call[0])
    for each, _, limit, things in _READS:
        if each == kind:
            over = sum(figure > limit for figure, _ in calls)
            said = f"{over} over" if over else "close to"
            message = f"read up to {badness:,.0f} {things} in one call, {said} Convex's limit of {limit:,}."
            return Insight(kind, path, len(calls), message, _READ_LESS, worst)
    conflict = worst["occ_info"]
    source = conflict.get("write_source")
    other = f" with {source}" if source and source != path else " with itself" if source else ""
    table = f' on the table "{conflict.get("table_name")}"'
    ended = "gave up" if kind == "conflictFailed" else "had to run again"
    message = f"{ended} because of write conflicts{other}{table}, up to {counted(int(badness), 'retry')}."
    return Insight(kind, path, len(calls), message, _CONFLICT_LESS, worst)
