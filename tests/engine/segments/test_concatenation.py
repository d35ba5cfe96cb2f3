from __future__ import annotations

from typing import Any

import numpy
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine import steps
from convex_nb.engine.segments import concatenation, layout
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.keys import key_function
from tests.engine.databases import small_steps
from tests.engine.documents import document, documents_of, field_lists, id_of, same_documents

creation_key = key_function(("_creationTime",))


def check_concat(batches: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    numbers = data.draw(st.permutations(range(sum(map(len, batches)))))
    times = data.draw(st.sampled_from([None, 1e12]))
    place = iter(numbers)
    made = []
    for fields in batches:
        of_batch = [(next(place), each) for each in fields]
        made.append([document(number, each, times) for number, each in of_batch])
    *stored, recent = made
    parts = []
    expected = list(recent)
    for documents in stored:
        segment = Segment.from_documents(documents)
        rows = data.draw(st.none() | st.sets(st.integers(0, segment.num_rows - 1)).map(sorted))
        parts.append((segment, None if rows is None else numpy.array(rows, numpy.int64)))
        expected += segment.documents(range(segment.num_rows) if rows is None else rows)
    if not expected:
        return
    joined = Segment.concat(parts, recent)
    joined.check()
    assert same_documents(joined.documents(range(joined.num_rows)), sorted(expected, key=creation_key))


@pytest.mark.parametrize("rows", [1, 3, 100])
@given(batches=st.lists(field_lists(max_size=6), min_size=2, max_size=4), data=st.data())
def test_every_document_is_there_in_creation_order(
    rows: int, batches: list[list[dict[str, Any]]], data: st.DataObject
) -> None:
    with small_steps(rows):
        check_concat(batches, data)


@given(field_lists(max_size=30), st.data())
def test_batches_of_one_kind(fields: list[dict[str, Any]], data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(fields)), min_size=2, max_size=2)))
    batches = [fields[: cuts[0]], fields[cuts[0] : cuts[1]], fields[cuts[1] :]]
    with small_steps(4):
        check_concat([batch for batch in batches if batch], data)


@given(st.lists(field_lists(max_size=6), min_size=2, max_size=3), st.data())
def test_with_a_rest_column(batches: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    with small_steps(3) as patch:
        patch.setattr(layout, "MAX_COLUMNS", 4)
        patch.setattr(concatenation, "MAX_COLUMNS", 4)
        check_concat(batches, data)


@given(st.lists(field_lists(max_size=6), min_size=2, max_size=3), st.data())
def test_with_large_offsets(batches: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    with small_steps(3) as patch:
        patch.setattr(concatenation, "MOST_BYTES", 10)
        check_concat(batches, data)


@pytest.mark.parametrize(
    ("kept", "kind"),
    [([0, 1], "int"), ([2, 3], "float"), ([1, 2], "number"), ([4], "null")],
)
def test_a_column_is_no_wider_than_the_rows_that_are_left(kept: list[int], kind: str) -> None:
    segment = Segment.from_documents(documents_of([{"a": a} for a in (1, 2, 1.5, -0.0)] + [{}]))
    joined = Segment.concat([(segment, numpy.array(kept))])
    assert joined.columns["a"].field.kind == kind
    assert joined.columns["a"].field.optional == (kept == [4])
    assert same_documents(joined.documents(range(len(kept))), segment.documents(kept))


def test_pieces_are_reordered_only_where_they_interleave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "ROWS", 4)
    first = Segment.from_documents([document(n, {"a": n}) for n in (0, 1, 2, 3, 4, 7)])
    second = Segment.from_documents([document(n, {"a": n}) for n in (5, 6, 8, 9)])
    pieces = list(concatenation._pieces([(second, None), (first, numpy.arange(6) != 1)], 4))
    orders = [None if piece.order is None else piece.order.tolist() for piece in pieces]
    rows = [[each.tolist() for each in piece.rows] for piece in pieces]
    assert (rows, orders) == ([[[], [0, 2, 3]], [[0, 1], [0, 1]], [[0, 1], []]], [None, [2, 0, 1, 3], None])


def test_tables_of_ids() -> None:
    parts: list[Any] = [
        (Segment.from_documents([document(n, {"who": id_of(n, table)})]), None)
        for n, table in enumerate(["users", "users", "bots"])
    ]
    assert Segment.concat(parts[:2]).document(0)["who"].table == "users"
    assert type(Segment.concat(parts).document(0)["who"]) is str


def test_a_rest_that_every_row_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_COLUMNS", 4)
    monkeypatch.setattr(concatenation, "MAX_COLUMNS", 4)
    documents = documents_of([{"a": 1, "b": n, "c": n} for n in range(5)])
    parts = [(Segment.from_documents(documents[:2]), None), (Segment.from_documents(documents[2:]), None)]
    with small_steps(2):
        joined = Segment.concat(parts)
    assert same_documents(joined.documents(range(5)), documents)
