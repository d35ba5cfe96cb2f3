from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.indexes import index_merge
from convex_nb.engine.indexes.index_build import build_run
from convex_nb.engine.indexes.index_merge import join_indexed
from convex_nb.engine.segments.segment import Segment
from tests.engine.documents import document, field_lists

INDEXES = [("_creationTime",), ("a",), ("b", "a"), ("a.b",)]


@pytest.mark.parametrize("rebuild", [0, 2, 1000])
@given(batches=st.lists(field_lists(max_size=8), min_size=1, max_size=3), data=st.data())
def test_merged_runs_are_those_that_would_be_built(
    rebuild: int, batches: list[list[dict[str, Any]]], data: st.DataObject
) -> None:
    numbers = iter(data.draw(st.permutations(range(sum(map(len, batches))))))
    made = [[document(next(numbers), fields) for fields in batch] for batch in batches]
    recent = made.pop() if data.draw(st.booleans()) else []
    parts: list[Any] = []
    for documents in made:
        segment = Segment.from_documents(documents)
        rows = data.draw(st.none() | st.sets(st.integers(0, segment.num_rows - 1)).map(sorted))
        of_part = [build_run(segment, fields) if data.draw(st.integers(0, 5)) else None for fields in INDEXES]
        parts.append((segment, None if rows is None else numpy.array(rows, numpy.int64), of_part))
    if not recent and not any(rows is None or len(rows) for _, rows, _ in parts):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_merge, "REBUILD", rebuild)
        joined, runs = join_indexed(parts, recent, INDEXES)
    joined.check()
    for run, fields in zip(runs, INDEXES, strict=True):
        run.check()
        expected = build_run(joined, fields)
        assert run.keys(0, run.num_rows) == expected.keys(0, joined.num_rows)
        assert run.rows(0, run.num_rows).tolist() == expected.rows(0, joined.num_rows).tolist()
