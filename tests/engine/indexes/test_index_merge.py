from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.indexes import index, index_merge
from convex_nb.engine.indexes.index_build import build_run
from convex_nb.engine.indexes.index_merge import merging_runs
from convex_nb.engine.segments.concatenation import joining
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.steps import finished
from tests.engine.databases import small_steps
from tests.engine.documents import document, field_lists

INDEXES = [("a",), ("b", "a"), ("a.b",), ("a", "_id")]


@pytest.mark.parametrize(("rows", "most"), [(1, 100), (3, 10), (100, 100)])
@given(batches=st.lists(field_lists(max_size=8), min_size=1, max_size=4), data=st.data())
def test_merged_runs_are_those_that_would_be_built(
    rows: int, most: int, batches: list[list[dict[str, Any]]], data: st.DataObject
) -> None:
    numbers = iter(data.draw(st.permutations(range(sum(map(len, batches))))))
    segments = [Segment.from_documents([document(next(numbers), fields) for fields in batch]) for batch in batches]
    masks = [
        data.draw(st.none() | st.lists(st.booleans(), min_size=segment.num_rows, max_size=segment.num_rows))
        for segment in segments
    ]
    if not any(mask is None or any(mask) for mask in masks):
        return
    parts = [
        (segment, None if mask is None else numpy.array(mask, numpy.bool_))
        for segment, mask in zip(segments, masks, strict=True)
    ]
    whole, new_rows = finished(joining(parts))
    for fields in INDEXES:
        expected = build_run(whole, fields)
        runs = [build_run(segment, fields) for segment in segments]
        with small_steps(rows) as patch:
            patch.setattr(index, "FENCE", 3)
            patch.setattr(index_merge, "MOST_BYTES", most)
            run = finished(merging_runs(runs, new_rows, whole.num_rows))
            run.check()
        assert run.keys(0, run.num_rows) == expected.keys(0, whole.num_rows)
        assert run.rows(0, run.num_rows).tolist() == expected.rows(0, whole.num_rows).tolist()
