"""Filter expressions of every shape, over fields of the documents of `documents.py`."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from convex_nb.engine.reading.filters import Expression, FilterBuilder
from convex_nb.language.values import UNDEFINED, Int64
from tests.engine.documents import NESTED, id_of

Q = FilterBuilder()
# What tells the order of values from SQL's, and from Python's.
CORNERS = [
    UNDEFINED,
    None,
    True,
    False,
    0,
    1,
    -1,
    0.0,
    -0.0,
    0.5,
    1e300,
    2**53,
    float("nan"),
    -float("nan"),
    float("inf"),
    -float("inf"),
    Int64(0),
    Int64(1),
    Int64(-(2**63)),
    "",
    "a",
    "a\x00b",
    "\U0001f600",
    "\uff5e",
    "'; drop table range; --",
    b"",
    b"a\x00",
    [],
    [1],
    {},
    {"a": 1},
    id_of(1, "users"),
]
LITERALS = st.sampled_from(CORNERS) | NESTED
PATHS = st.sampled_from(["a", "b", "c", "d", "f g", "f_g", "nobody", "a.b", "c.a", "a.b.c", "_id", "_creationTime"])
FIELDS = PATHS.map(Q.field)
COMPARISONS = st.sampled_from(["eq", "neq", "lt", "lte", "gt", "gte"])


def conditions(*, risky: bool = True) -> st.SearchStrategy[Expression]:
    """Conditions; with ``risky`` also those that raise for some documents: arithmetic, and fields as booleans."""
    values: st.SearchStrategy[Any] = FIELDS | LITERALS
    if risky:
        arithmetic = st.builds(
            lambda operator, left, right: getattr(Q, operator)(left, right),
            st.sampled_from(["add", "sub", "mul", "div", "mod"]),
            FIELDS | st.sampled_from([1, 0.5, Int64(2)]),
            FIELDS | st.sampled_from([1, 0, Int64(0)]),
        )
        values = values | arithmetic
    compared = st.builds(
        lambda operator, left, right: getattr(Q, operator)(left, right), COMPARISONS, FIELDS, values
    ) | st.builds(lambda operator, left, right: getattr(Q, operator)(left, right), COMPARISONS, values, values)
    leaves = compared | st.booleans().map(lambda value: Q.and_() if value else Q.or_())
    if risky:
        leaves = leaves | FIELDS

    def around(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
        return (
            st.lists(inner, max_size=3).map(lambda several: Q.and_(*several))
            | st.lists(inner, max_size=3).map(lambda several: Q.or_(*several))
            | inner.map(Q.not_)
            | st.builds(lambda operator, left, right: getattr(Q, operator)(left, right), COMPARISONS, inner, inner)
        )

    return st.recursive(leaves, around, max_leaves=5)
