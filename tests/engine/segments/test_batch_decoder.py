from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.segments import segment as segment_module
from convex_nb.engine.segments.batch_decoder import batch_decoder
from convex_nb.engine.segments.segment import Segment
from tests.engine.documents import documents_of, exactly, field_lists, same_documents


@given(field_lists(), st.data())
def test_batches_are_what_rows_are(fields: list[dict[str, Any]], data: st.DataObject) -> None:
    documents = documents_of(fields)
    segment = Segment.from_documents(documents)
    rows = data.draw(st.lists(st.integers(0, len(documents) - 1), max_size=20))
    found = batch_decoder(list(segment.columns.values()))(numpy.array(rows, numpy.int32))
    assert same_documents(found, [documents[row] for row in rows])
    assert all(document["_id"].table == "tasks" for document in found)


@given(field_lists(max_size=6), st.data())
def test_some_columns(fields: list[dict[str, Any]], data: st.DataObject) -> None:
    documents = documents_of(fields)
    segment = Segment.from_documents(documents)
    names = data.draw(st.sets(st.sampled_from([field.name for field in segment.layout])))
    found = batch_decoder([column for name, column in segment.columns.items() if name in names])(
        numpy.arange(len(fields))
    )
    for document, whole in zip(found, segment.documents(range(len(fields))), strict=True):
        assert exactly(document) == exactly(type(whole)({name: whole[name] for name in whole if name in names}))


@pytest.mark.parametrize("batch", [1, 10_000])
def test_any_sequence_of_rows(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(segment_module, "_BATCH", batch)
    documents = documents_of([{"text": "x" * number} for number in range(20)])
    segment = Segment.from_documents(documents)
    for rows in (range(20), range(19, 3, -2), range(0), [3, 3, 1], [], numpy.array([7, 2], numpy.int64)):
        assert segment.documents(rows) == [documents[row] for row in rows]


def test_a_last_row_without_content() -> None:
    documents = documents_of([{"a": "", "b": b""}] * 3)
    segment = Segment.from_documents(documents)
    assert same_documents(batch_decoder(list(segment.columns.values()))(numpy.arange(3)), documents)
