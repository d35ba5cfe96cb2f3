from __future__ import annotations

import json
from typing import Any

import numpy
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine import layout
from convex_nb.engine.public_columns import public_table
from convex_nb.engine.segment import Segment
from convex_nb.language.encoding import to_plain_json
from convex_nb.language.values import Int64
from tests.engine.documents import document, documents_of, exactly, field_lists, id_of

NAN = float("nan")
COLUMNS: list[tuple[list[Any], Any, list[Any]]] = [
    ([1, 2], pa.int64(), [1, 2]),
    ([1, 2.5], pa.float64(), [1.0, 2.5]),
    ([-0.0, NAN], pa.float64(), [-0.0, NAN]),
    ([Int64(5), None], pa.int64(), [5, None]),
    ([True, None], pa.bool_(), [True, None]),
    (["a", "é"], pa.string(), ["a", "é"]),
    ([b"\x00"], pa.binary(), [b"\x00"]),
    ([id_of(1, "users")], pa.string(), [str(id_of(1))]),
    ([id_of(1, "users"), "x"], pa.string(), [str(id_of(1)), "x"]),
    ([None, None], pa.null(), [None, None]),
    ([[1, 2.0], {"a": None}], pa.string(), ["[1,2.0]", '{"a":null}']),
    (["a", 1, True, None], pa.string(), ['"a"', "1", "true", None]),
    ([Int64(5), 5.0, b"\x01"], pa.string(), ['"5"', "5.0", '"AQ=="']),
    ([[Int64(5)], '{"$integer":"'], pa.string(), ['["5"]', json.dumps('{"$integer":"')]),
]


@pytest.mark.parametrize(("values", "type_", "expected"), COLUMNS)
def test_types(values: list[Any], type_: Any, expected: list[Any]) -> None:
    table = Segment.from_documents(documents_of([{"a": value} for value in values] + [{}])).to_arrow()
    assert table.column_names == ["_id", "_creationTime", "a"]
    assert table.schema.field("a").type == type_
    assert [exactly(value) for value in table["a"].to_pylist()] == [exactly(value) for value in [*expected, None]]
    assert table["_id"].to_pylist()[0] == id_of(0)
    assert table.schema.field("_creationTime").type == pa.float64()
    # Once more: what was made of an encoded column is kept.
    assert table.equals(Segment.from_documents(documents_of([{"a": value} for value in values] + [{}])).to_arrow()) or (
        NAN in values
    )


@given(st.lists(field_lists(max_size=6), min_size=1, max_size=3), st.data())
def test_values_do_not_depend_on_where_they_lie(batches: list[list[dict[str, Any]]], data: st.DataObject) -> None:
    number = 0
    parts = []
    documents = []
    for fields in batches:
        of_batch = documents_of(fields, number)
        number += len(of_batch)
        rows = data.draw(st.none() | st.lists(st.integers(0, len(of_batch) - 1)))
        parts.append((Segment.from_documents(of_batch), None if rows is None else numpy.array(rows, numpy.int32)))
        documents += of_batch if rows is None else [of_batch[row] for row in rows]
    table = public_table(parts)
    table.validate(full=True)
    assert table["_id"].to_pylist() == [each["_id"] for each in documents]
    whole = Segment.concat([(segment, None) for segment, _ in parts]).to_arrow()
    assert table.schema == whole.schema
    for name in table.column_names:
        values = table[name].to_pylist()
        for value, each in zip(values, documents, strict=True):
            found = each.get(name)
            if value is None or found is None:
                assert found is None
                assert value is None
            elif table.schema.field(name).type == pa.float64():
                assert exactly(value) == exactly(float(found))
            elif value != found or isinstance(found, bool) != isinstance(value, bool):
                assert json.loads(value) == json.loads(json.dumps(to_plain_json(found)))


def test_chosen_fields_and_rows() -> None:
    segment = Segment.from_documents(documents_of([{"a": n, "b": str(n)} for n in range(5)]))
    table = segment.to_arrow(numpy.array([3, 1]), ["b", "missing"])
    assert table.to_pydict() == {"b": ["3", "1"], "missing": [None, None]}
    assert table.schema.field("missing").type == pa.null()


def test_whole_columns_are_shared() -> None:
    segment = Segment.from_documents(documents_of([{"a": float(n), "b": "x" * n, "c": [n]} for n in range(50)]))
    before = pa.total_allocated_bytes()
    table = segment.to_arrow()
    assert pa.total_allocated_bytes() - before < 1000
    for name in ("a", "b", "c"):
        assert table[name].chunk(0).buffers()[-1].address == segment.columns[name].values.buffers()[-1].address


def test_fields_of_the_rest_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "MAX_COLUMNS", 3)
    segment = Segment.from_documents(documents_of([{"a": 1, "b": 2}, {"a": 1}, {"a": 3, "c": "x"}]))
    table = segment.to_arrow()
    assert table.column_names == ["_id", "_creationTime", "a", "b", "c"]
    assert table.select(["b", "c"]).to_pydict() == {"b": [2, None, None], "c": [None, None, "x"]}
    assert segment.to_arrow(fields=["c"]).to_pydict() == {"c": [None, None, "x"]}


def test_a_table_of_two_parts_is_one_chunk_each() -> None:
    parts: list[Any] = [(Segment.from_documents([document(n, {"a": n})]), None) for n in range(2)]
    assert public_table(parts)["a"].num_chunks == 2
