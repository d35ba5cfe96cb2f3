"""What ``explain()`` tells of a query: which way it reads, and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from convex_nb.engine.indexes.index_range import Bound
from convex_nb.engine.reading import planner
from convex_nb.engine.reading.shown import Shown

if TYPE_CHECKING:
    from convex_nb.engine.reading.filters import Expression
    from convex_nb.engine.reading.planner import Range
    from convex_nb.engine.reading.search_explanation import SearchExplanation
    from convex_nb.engine.transaction import Transaction
    from convex_nb.engine.usage import Usage

Path: TypeAlias = Literal["empty", "index", "duckdb", "python", "columns", "count"]
T = TypeVar("T")

recorded: Final[ContextVar[list[Explanation | SearchExplanation] | None]] = ContextVar(
    "convex_nb_recorded", default=None
)
"""Where queries say how they read, while somebody wants to know."""
_UNTIL_ENOUGH: Final = ("take", "first", "unique", "paginate", "for")


@dataclass(frozen=True, slots=True)
class FilterStep:
    """One condition of the filters, and what evaluates it."""

    condition: str
    runs_in: Literal["DuckDB", "Python", "DuckDB and Python"]
    why: str
    """Why Python has to, where it does."""

    def __str__(self) -> str:
        return f"{self.condition}: {self.runs_in}" + (f", because {self.why}" if self.why else "")


@dataclass(frozen=True, slots=True, repr=False)
class Explanation(Shown):
    """How ``collect()`` would read a query now."""

    table: str
    index: str
    fields: tuple[str, ...]
    """The index's fields, its hidden last ones apart."""
    range: str
    """The bounds as they were written; empty for the whole index."""
    order: Literal["asc", "desc"]
    filters: tuple[FilterStep, ...]
    """The conditions in the order in which they are evaluated."""
    rows_in_range: int
    rows_scanned: int
    """How many documents count as read: filters do not make it less."""
    path: Path
    """``index``: every document of the range is decoded. ``duckdb``: DuckDB finds the rows in the columns, and only
    these are decoded. ``python``: of each row the fields that the filters name are decoded, and those that pass.
    ``columns``: the columns are taken as they are. ``count``: the ends of the range are found, and nothing is read."""
    why: str
    call: str = "collect()"
    """The method that reads."""

    def _lines(self) -> list[tuple[str, str]]:
        return [
            ("table", self.table),
            ("index", f"{self.index} ({', '.join(self.fields)}), {self.order}"),
            ("range", self.range or "all of it"),
            *[("filter", str(step)) for step in self.filters],
            *([("read", self.call)] if self.call != "collect()" else []),
            ("rows", f"{self.rows_in_range:,} in the range, {self.rows_scanned:,} scanned"),
            ("path", f"{self.path}: {self.why}"),
        ]


@contextmanager
def recording() -> Iterator[list[Explanation | SearchExplanation]]:
    """How the queries read that are read from inside the block, on this thread, in order."""
    plans: list[Explanation | SearchExplanation] = []
    token = recorded.set(plans)
    try:
        yield plans
    finally:
        recorded.reset(token)


def record(
    plans: list[Explanation | SearchExplanation], planned: Explanation, call: str, read: Callable[[], T], usage: Usage
) -> T:
    """Read, and add to ``plans`` how that went."""
    before = usage.documents_read
    try:
        return read()
    finally:
        plans.append(as_it_went(planned, call, usage.documents_read - before))


def as_it_went(planned: Explanation, call: str, scanned: int) -> Explanation:
    """The plan of another reading method than ``collect``, which has looked at ``scanned`` documents."""
    path, why, filters = planned.path, planned.why, planned.filters
    method = call.partition("(")[0]
    if path == "empty":
        pass
    elif method in ("df", "arrow") and path == "index":
        path, why = ("python", why) if filters else ("columns", "there is no filter, so no document is made")
    elif method == "count" and not filters:
        path, why = "count", "there is no filter: the ends of the range are found by binary search"
    elif method in _UNTIL_ENOUGH:
        if path == "index" or scanned <= planner.LONG or method == "for":
            path, why = "index", "one document after another, until there are enough"
            filters = tuple([FilterStep(step.condition, "Python", "") for step in filters])
        else:
            why = f"{why}, after the first {planner.LONG:,} rows one after another"
    return replace(planned, call=call, rows_scanned=scanned, path=path, why=why, filters=filters)


def explain(
    transaction: Transaction, where: Range, bounds: Sequence[Bound], filters: Sequence[Expression]
) -> Explanation:
    """How a query is read. Depends on the whole range, as counting it does. Costs O(segments x log rows)."""
    from convex_nb.engine.sql.expressions import conjuncts

    rows = transaction.count(*where[:4])
    state = transaction.table_or_new(where.table)
    conditions = conjuncts(filters)
    steps = [FilterStep(repr(condition), "Python", "") for condition in conditions]
    path: Path = "index"
    if not rows:
        path, why = "empty", "there is nothing in the range"
    elif not filters:
        why = "there is no filter"
    elif not planner.is_long(transaction, state, where):
        if transaction.usage.sizes_reads:
            why = "the limits count the bytes of every document"
        else:
            why = f"to look at up to {planner.LONG:,} rows costs less than to ask DuckDB"
    else:
        steps = _steps(transaction, where, conditions)
        if any(step.runs_in != "Python" for step in steps):
            path, why = "duckdb", f"{_count(steps)} can be decided on the columns"
        else:
            path, why = "python", "no condition has the same meaning in SQL"
    return Explanation(
        where.table,
        where.index_name,
        state.indexes[state.position(where.index_name)].fields,
        ", ".join(map(str, bounds)),
        "desc" if where.reverse else "asc",
        tuple(steps),
        rows,
        rows,
        path,
        why,
    )


def _count(steps: Sequence[FilterStep]) -> str:
    number = sum(step.runs_in != "Python" for step in steps)
    return "the filter" if number == len(steps) == 1 else f"{number} of {len(steps)} conditions"


def _steps(transaction: Transaction, where: Range, conditions: Sequence[Expression]) -> list[FilterStep]:
    """Where each condition is evaluated for the segments that the range reaches into."""
    from convex_nb.engine.sql.expressions import compile_filter

    state = transaction.table_or_new(where.table)
    position = state.position(where.index_name)
    left: list[dict[int, str]] = []
    for part in state.parts:
        start, stop = part.run(position).bounds(where.lo, where.hi)
        rows = stop - start - part.dead[position].count(where.lo, where.hi)
        if rows > planner.LONG:
            left.append(dict(compile_filter(conditions, part.segment).left))
        elif rows:
            left.append(dict.fromkeys(range(len(conditions)), "a segment has few of the rows"))
    if state.live[position].count(where.lo, where.hi):
        left.append(dict.fromkeys(range(len(conditions)), "recent documents are not in columns yet"))
    steps = []
    for number, condition in enumerate(conditions):
        whys = [reasons[number] for reasons in left if number in reasons]
        steps.append(
            FilterStep(
                repr(condition),
                "DuckDB" if not whys else "Python" if len(whys) == len(left) else "DuckDB and Python",
                "; ".join(dict.fromkeys(whys)),
            )
        )
    return steps
