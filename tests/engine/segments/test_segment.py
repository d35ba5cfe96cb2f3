from __future__ import annotations

import gc
from typing import Any

import numpy
import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.segments import layout
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.values import Id, Int64
from tests.engine.documents import document, documents_of, field_lists, id_of, same_documents


@given(field_lists())
def test_documents_come_back_exactly(fields: list[dict[str, Any]]) -> None:
    documents = documents_of(fields)
    segment = Segment.from_documents(documents)
    segment.check()
    assert segment.num_rows == len(documents)
    assert same_documents(segment.documents(range(len(documents))), documents)
    assert same_documents([segment.document(row) for row in range(len(documents))], documents)


@pytest.mark.parametrize("columns", [3, 4, 5])
@given(fields=field_lists())
def test_documents_come_back_exactly_with_a_rest_column(columns: int, fields: list[dict[str, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "MAX_COLUMNS", columns)
        documents = documents_of(fields)
        segment = Segment.from_documents(documents)
    segment.check()
    assert len(segment.layout) <= columns + 1
    assert same_documents(segment.documents(range(len(documents))), documents)


@given(field_lists(), st.data())
def test_any_rows_in_any_order(fields: list[dict[str, Any]], data: st.DataObject) -> None:
    documents = documents_of(fields)
    rows = data.draw(st.lists(st.integers(0, len(documents) - 1)))
    expected = [documents[row] for row in rows]
    segment = Segment.from_documents(documents)
    assert same_documents(segment.documents(rows), expected)
    assert same_documents(segment.documents(numpy.array(rows, numpy.int32)), expected)


@given(st.permutations(range(6)), st.lists(st.sampled_from([0.0, -0.0, 1e12, -1.5]), min_size=6, max_size=6))
def test_rows_are_in_creation_order(order: list[int], times: list[float]) -> None:
    documents = [document(number, {"n": number}, times[number]) for number in order]
    segment = Segment.from_documents(documents)
    segment.check()
    assert {each["_id"]: each["n"] for each in segment.documents(range(6))} == {id_of(n): n for n in range(6)}


def test_ids_know_their_table() -> None:
    documents = documents_of([{"author": id_of(7, "users")}, {"author": id_of(8, "users")}])
    segment = Segment.from_documents(documents)
    assert segment.table == "tasks"
    found = segment.document(1)
    assert (found["_id"].table, found["author"].table) == ("tasks", "users")
    plain = [each | {"_id": str(each["_id"])} for each in documents]
    found = Segment.from_documents(plain, "tasks").document(0)  # type: ignore[arg-type]
    assert type(found["_id"]) is Id
    assert found["_id"].table == "tasks"


def test_fields_come_in_the_order_in_which_they_were_first_seen() -> None:
    documents = documents_of([{"b": 1}, {"a": 1, "b": 2}, {"c": 0, "a": None}])
    segment = Segment.from_documents(documents)
    assert [list(each) for each in segment.documents(range(3))] == [
        ["_id", "_creationTime", "b"],
        ["_id", "_creationTime", "b", "a"],
        ["_id", "_creationTime", "a", "c"],
    ]


def test_nested_values_are_read_only() -> None:
    found = Segment.from_documents(documents_of([{"a": [{"b": [1]}]}])).document(0)
    for container in (found, found["a"], found["a"][0], found["a"][0]["b"]):
        with pytest.raises(TypeError):
            container.clear()


@settings(max_examples=20)
@given(st.integers(1, 300))
def test_bitmaps_reach_over_bytes(count: int) -> None:
    fields = [
        {"flag": n % 3 == 0, "mixed": n if n % 2 else n / 2, "big": Int64(n)} | ({} if n % 7 else {"rare": None})
        for n in range(count)
    ]
    documents = documents_of(fields)
    segment = Segment.from_documents(documents)
    assert same_documents(segment.documents(range(count)), documents)


def test_a_wide_field_name_and_a_quote_are_only_names() -> None:
    documents = documents_of([{'it\'s "x"\\': 1, "{row}": "a"}])
    assert same_documents(Segment.from_documents(documents).documents([0]), documents)


def test_the_rarest_fields_share_the_rest_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_COLUMNS", 4)
    documents = documents_of([{"rare": 1}, {"a": 1, "b": 1}, {"a": 2, "b": 2, "odd": [3]}])
    segment = Segment.from_documents(documents)
    assert [field.name for field in segment.layout] == ["_id", "_creationTime", "a", "b", ""]
    assert segment.documents(range(3)) == documents


def test_nbytes_counts_columns_and_lookup() -> None:
    segment = Segment.from_documents(documents_of([{"text": "x" * 100}] * 1000))
    columns = segment.nbytes
    assert 1000 * (100 + 4 + 32 + 4 + 8) <= columns < 1000 * 200
    assert segment.find("") == -1
    assert columns + 6 * 1000 < segment.nbytes < columns + 12 * 1000


def test_the_garbage_collector_is_as_it_was() -> None:
    segment = Segment.from_documents(documents_of([{"n": number} for number in range(3000)]))
    assert gc.isenabled()
    assert len(segment.documents(range(3000))) == 3000
    assert gc.isenabled()
    with pytest.raises(IndexError):
        segment.documents(range(1, 3001))
    assert gc.isenabled()
    gc.disable()
    try:
        segment.documents(range(3000))
        assert not gc.isenabled()
    finally:
        gc.enable()
