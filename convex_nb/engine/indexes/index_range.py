"""Index ranges as a user writes them, turned into an interval of keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from convex_nb.language.errors import IndexRangeError, InvalidValueError
from convex_nb.language.keys import encode_value, successor
from convex_nb.language.values import UNDEFINED, to_value


class Bound(NamedTuple):
    """One comparison of an index range."""

    operator: str
    field: str
    value: Any

    def __str__(self) -> str:
        return f'"{self.field}" {_SIGNS[self.operator]} {self.value!r}'


_SIGNS = {"eq": "==", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class IndexRangeBuilder:
    """Collects the comparisons of ``with_index``: equalities on the first fields, then bounds on the next one.

    The calls may be written in any order; what they amount to is checked when the range is used.
    """

    __slots__ = ("_bounds",)

    def __init__(self, bounds: tuple[Bound, ...] = ()) -> None:
        self._bounds = bounds

    def __repr__(self) -> str:
        return f"IndexRangeBuilder({', '.join(map(str, self._bounds))})"

    def eq(self, field: str, value: Any) -> IndexRangeBuilder:
        """The field equals ``value``; ``UNDEFINED`` for documents that lack it."""
        return self._add("eq", field, value)

    def gt(self, field: str, value: Any) -> IndexRangeBuilder:
        """The field sorts after ``value``."""
        return self._add("gt", field, value)

    def gte(self, field: str, value: Any) -> IndexRangeBuilder:
        """The field sorts after ``value`` or equals it."""
        return self._add("gte", field, value)

    def lt(self, field: str, value: Any) -> IndexRangeBuilder:
        """The field sorts before ``value``; documents that lack the field sort before everything."""
        return self._add("lt", field, value)

    def lte(self, field: str, value: Any) -> IndexRangeBuilder:
        """The field sorts before ``value`` or equals it."""
        return self._add("lte", field, value)

    def _add(self, operator: str, field: str, value: Any) -> IndexRangeBuilder:
        if not isinstance(field, str):
            raise IndexRangeError(f"The first argument of q.{operator} is the name of an index field, got {field!r}.")
        return IndexRangeBuilder((*self._bounds, Bound(operator, field, value)))

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """The comparisons in the order in which they were written."""
        return self._bounds


RangeFunction = Callable[[IndexRangeBuilder], IndexRangeBuilder]


def collect_bounds(
    table: str, index: str, range_function: RangeFunction | None, equalities: Mapping[str, Any]
) -> tuple[Bound, ...]:
    """The comparisons of one ``with_index`` call."""
    builder = IndexRangeBuilder()
    if range_function is not None:
        if not callable(range_function):
            raise IndexRangeError(
                f"with_index({index!r}, ...) takes a function of the range builder, like "
                f"`lambda q: q.eq(field, value)`, or equalities by name, like "
                f"`with_index({index!r}, field=value)`; got {range_function!r}.",
                table=table,
                index=index,
            )
        built = range_function(builder)
        if not isinstance(built, IndexRangeBuilder):
            raise IndexRangeError(
                f"The range function of {table}.{index} returned {built!r} and not the range: "
                "end it with a call like `q.eq(field, value)`.",
                table=table,
                index=index,
            )
        builder = built
    for field, value in equalities.items():
        builder = builder.eq(field, value)
    return builder.bounds


def key_interval(table: str, index: str, fields: Sequence[str], bounds: Sequence[Bound]) -> tuple[bytes, bytes]:
    """The interval ``lo <= key < hi`` that ``bounds`` describe on an index. Raises ``IndexRangeError``.

    ``fields`` are the index's own; ``_creationTime`` may be compared after them.
    """
    ordered = tuple(fields) if fields[-1] in ("_id", "_creationTime") else (*fields, "_creationTime")
    name = f"{table}.{index}"
    shown = "[" + ", ".join([f'"{field}"' for field in fields]) + "]"

    def refuse(message: str, field: str | None = None) -> IndexRangeError:
        return IndexRangeError(message, table=table, index=index, fields=tuple(fields), field=field)

    equal: dict[str, Any] = {}
    lower: Bound | None = None
    upper: Bound | None = None
    for bound in bounds:
        if bound.field not in ordered:
            raise refuse(
                f'The index range included a comparison with "{bound.field}", but {name} with fields {shown} '
                "doesn't index this field.",
                bound.field,
            )
        if bound.field in equal:
            raise refuse(f"Already defined equality bound in index range. Can't add {bound}.", bound.field)
        if bound.operator == "eq":
            if any(each is not None and each.field == bound.field for each in (lower, upper)):
                raise refuse(f"Already defined inequality bound in index range. Can't add {bound}.", bound.field)
            equal[bound.field] = bound.value
        elif bound.operator in ("gt", "gte"):
            if lower is not None:
                raise refuse(f"Already defined lower bound in index range. Can't add {bound}.", bound.field)
            lower = bound
        else:
            if upper is not None:
                raise refuse(f"Already defined upper bound in index range. Can't add {bound}.", bound.field)
            upper = bound
    if lower is not None and upper is not None and lower.field != upper.field:
        raise refuse(
            "Upper and lower bounds in `range` can only be applied to a single index field. This query against index "
            f'{name} attempted to set a range bound on both "{lower.field}" and "{upper.field}".',
            upper.field,
        )
    bounded = lower or upper
    following = ordered[len(equal)] if len(equal) < len(ordered) else None
    if set(equal) != set(ordered[: len(equal)]) or (bounded is not None and bounded.field != following):
        raise refuse(
            f"Tried to query index {name} but the query didn't use the index fields in order. Compare them in the "
            f"order {shown}: equalities on the first ones, then at most a lower and an upper bound on the next one.",
            None if bounded is None else bounded.field,
        )
    prefix = b"".join([compared_key("range", name, field, equal[field]) for field in ordered[: len(equal)]])
    lo = prefix
    hi = successor(prefix)
    if lower is not None:
        lo = prefix + compared_key("range", name, lower.field, lower.value)
        if lower.operator == "gt":
            lo = successor(lo)
    if upper is not None:
        hi = prefix + compared_key("range", name, upper.field, upper.value)
        if upper.operator == "lte":
            hi = successor(hi)
    return lo, max(lo, hi)


def compared_key(kind: str, index: str, field: str, value: Any) -> bytes:
    """The key of a value that a range or a search compares a field with. Raises ``InvalidValueError``."""
    if value is UNDEFINED:
        return encode_value(UNDEFINED)
    try:
        return encode_value(to_value(value))
    except InvalidValueError as error:
        raise InvalidValueError(
            f'The {kind} of {index} compares "{field}" with a value that cannot be stored: {error.reason}',
            path=error.path,
            value=value,
        ) from None
