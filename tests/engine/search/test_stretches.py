"""How rows are divided."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
from hypothesis import given, strategies as st

from convex_nb.engine.search.stretches import stretches_of
from convex_nb.engine.segments.columns import Column
from convex_nb.engine.segments.layout import Field


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.integers(1, 7), st.integers(1, 20))
def test_no_stretch_is_too_long(lengths: list[int], most_rows: int, most_bytes: int) -> None:
    column = Column(Field("text", "string"), pa.array(["x" * length for length in lengths]))
    starts = stretches_of(len(lengths), column, most_rows, most_bytes)
    assert (starts[0], starts[-1]) == (0, len(lengths))
    for start, stop in pairwise(starts):
        assert start < stop <= start + most_rows
        assert stop == start + 1 or sum(lengths[start:stop]) <= most_bytes
        more = stop < len(lengths) and stop < start + most_rows
        assert not more or sum(lengths[start : stop + 1]) > most_bytes, "it could have been longer"


def test_without_a_column_only_rows_count() -> None:
    assert stretches_of(5, None, 2, 1) == [0, 2, 4, 5]
    assert stretches_of(0, None, 2, 1) == [0]
