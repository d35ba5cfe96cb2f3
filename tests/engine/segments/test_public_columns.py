from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.segments import layout, public_columns
from convex_nb.engine.segments.public_columns import Chosen, public_table
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.segments.shapes import declared_columns
from convex_nb.language.documents import Document
from convex_nb.language.encoding import to_plain_json
from convex_nb.language.schema import define_table
from convex_nb.language.validators import v
from convex_nb.language.values import UNDEFINED, Int64
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
    ([[1, 2], [], None, [3]], pa.list_(pa.int64()), [[1, 2], [], None, [3]]),
    ([[1, None], [2.5]], pa.list_(pa.float64()), [[1.0, None], [2.5]]),
    ([[NAN], [-0.0]], pa.list_(pa.float64()), [[NAN], [-0.0]]),
    ([[b"\x00", None]], pa.list_(pa.binary()), [[b"\x00", None]]),
    ([["a"], [Int64(5)]], pa.list_(pa.string()), [['"a"'], ['"5"']]),
    ([[], [None]], pa.list_(pa.null()), [[], [None]]),
    ([[[1], []], [[2, 3]]], pa.list_(pa.list_(pa.int64())), [[[1], []], [[2, 3]]]),
    (
        [{"b": "x", "a": 1}, {"a": None}, {}, None],
        pa.struct([("a", pa.int64()), ("b", pa.string())]),
        [{"a": 1, "b": "x"}, {"a": None, "b": None}, {"a": None, "b": None}, None],
    ),
    (
        [{"tags": ["x"], "size": {"w": 1, "h": 2.5}}, {"size": {"w": 3}}],
        pa.struct([("size", pa.struct([("h", pa.float64()), ("w", pa.int64())])), ("tags", pa.list_(pa.string()))]),
        [{"size": {"h": 2.5, "w": 1}, "tags": ["x"]}, {"size": {"h": None, "w": 3}, "tags": None}],
    ),
    ([{"a": 1}, {"a": "x"}], pa.struct([("a", pa.string())]), [{"a": "1"}, {"a": '"x"'}]),
    ([{}, {}], pa.string(), ["{}", "{}"]),
    ([{"a": 1, "A": 2}], pa.string(), ['{"a":1,"A":2}']),
    ([{"a": {}}, {"a": {"b": [{"c": True}]}}], None, [{"a": {"b": None}}, {"a": {"b": [{"c": True}]}}]),
    ([{f"key {n}": n} for n in range(65)], pa.string(), [f'{{"key {n}":{n}}}' for n in range(65)]),
    (["a", 1, True, None], pa.string(), ['"a"', "1", "true", None]),
    ([Int64(5), 5.0, b"\x01"], pa.string(), ['"5"', "5.0", '"AQ=="']),
    ([[Int64(5)], [None, Int64(2**60)]], pa.list_(pa.int64()), [[5], [None, 2**60]]),
    ([[Int64(5)], '{"$integer":"'], pa.string(), ['["5"]', json.dumps('{"$integer":"')]),
]


@pytest.mark.parametrize(("values", "type_", "expected"), COLUMNS)
def test_types(values: list[Any], type_: Any, expected: list[Any]) -> None:
    table = Segment.from_documents(documents_of([{"a": value} for value in values] + [{}])).to_arrow()
    assert table.column_names == ["_id", "_creationTime", "a"]
    assert type_ is None or table.schema.field("a").type == type_
    assert [exactly(value) for value in table["a"].to_pylist()] == [exactly(value) for value in [*expected, None]]
    assert table["_id"].to_pylist()[0] == id_of(0)
    assert table.schema.field("_creationTime").type == pa.float64()


def shows(cell: Any, value: Any) -> bool:
    """Whether a cell of a public column stands for a document's value."""
    if value is None or value is UNDEFINED:
        return cell is None
    if isinstance(cell, str) and (not isinstance(value, str) or cell != value):
        return bool(json.loads(cell) == json.loads(json.dumps(to_plain_json(value))))
    if isinstance(value, dict):
        cell = dict(cell)
        return value.keys() <= cell.keys() and all(shows(each, value.get(name)) for name, each in cell.items())
    if isinstance(value, list):
        return len(cell) == len(value) and all(map(shows, cell, value))
    if isinstance(cell, float) and isinstance(value, (int, float)):
        return bool(exactly(cell) == exactly(float(value)))
    return bool(exactly(cell) == exactly(int(value) if isinstance(value, Int64) else value))


def assert_shows(table: pa.Table, documents: Sequence[dict[str, Any]]) -> None:
    assert table.num_rows == len(documents)
    assert {name for document in documents for name in document} <= set(table.column_names)
    for name in table.column_names:
        for cell, each in zip(table.column(name).to_pylist(), documents, strict=True):
            assert shows(cell, each.get(name)), (name, cell, each.get(name))


def types_of(table: pa.Table) -> dict[str, pa.DataType]:
    return dict(zip(table.column_names, table.schema.types, strict=True))


@st.composite
def rows_of_parts(draw: st.DrawFn) -> tuple[list[Chosen], list[Document], list[bool]]:
    """Rows of several segments, the documents that they are, and which of them count."""
    parts, documents, counting = [], [], []
    for number, fields in enumerate(draw(st.lists(field_lists(max_size=6), min_size=1, max_size=3))):
        batch = documents_of(fields, 100 * number)
        segment = Segment.from_documents(batch)
        numbers = st.integers(0, len(batch) - 1)
        rows = draw(st.none() | st.lists(numbers, unique=True) | st.builds(slice, numbers, numbers))
        if isinstance(rows, slice):
            rows = slice(min(rows.start, rows.stop), max(rows.start, rows.stop))
        dead = draw(st.lists(numbers, unique=True)) if rows is None and draw(st.booleans()) else None
        parts.append(
            Chosen(
                segment,
                numpy.array(rows, numpy.int32) if isinstance(rows, list) else rows,
                None if dead is None else numpy.array(dead, numpy.int64),
            )
        )
        chosen = batch if rows is None else batch[rows] if isinstance(rows, slice) else [batch[row] for row in rows]
        documents += chosen
        counting += [dead is None or row not in dead for row in range(len(chosen))]
    return parts, documents, counting


@settings(max_examples=150)
@given(rows_of_parts(), st.booleans())
def test_values_and_types_do_not_depend_on_where_they_lie(
    drawn: tuple[list[Chosen], list[Document], list[bool]], warm: bool
) -> None:
    parts, documents, counting = drawn
    if warm:
        # What is kept of a whole segment must not show in some of its rows.
        public_table([Chosen(part.segment) for part in parts])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(public_columns, "_CHUNK_ROWS", 3)
        patch.setattr(public_columns, "_SAMPLE", 1)
        table = public_table(parts)
    table.validate(full=True)
    found = table.filter(pa.array(counting, pa.bool_()))
    there = [document for document, counts in zip(documents, counting, strict=True) if counts]
    assert_shows(found, there)
    if there:
        distinct = list({document["_id"]: document for document in there}.values())
        assert types_of(table) == types_of(Segment.from_documents(distinct).to_arrow())


SCHEMA = define_table(
    {
        "a": v.optional(v.object({"z": v.string(), "a": v.optional(v.number()), "any": v.any()})),
        "b": v.array(v.union(v.number(), v.null())),
        "c": v.record(v.string(), v.array(v.int64())),
        "d": v.union(v.object({"kind": v.literal("x"), "n": v.number()}), v.object({"kind": v.literal("y")})),
        "e": v.union(v.string(), v.number()),
    }
)
DECLARED = {
    "_id": pa.string(),
    "_creationTime": pa.float64(),
    "a": pa.struct([("z", pa.string()), ("a", pa.float64()), ("any", pa.null())]),
    "b": pa.list_(pa.float64()),
    "c": pa.map_(pa.string(), pa.list_(pa.int64())),
    "d": pa.struct([("kind", pa.string()), ("n", pa.float64())]),
    "e": pa.string(),
}


def test_the_schema_decides() -> None:
    declared = declared_columns(SCHEMA)
    assert types_of(public_table([], None, declared)) == DECLARED
    fields: list[dict[str, Any]] = [
        {"b": [], "c": {"k": [Int64(1)], "K": []}, "d": {"kind": "y"}, "e": "text"},
        {"b": [None], "c": {f"key {n}": [] for n in range(70)}, "d": {"kind": "y"}, "e": "text"},
    ]
    documents = documents_of(fields)
    table = public_table([Chosen(Segment.from_documents(documents))], None, declared)
    assert types_of(table) == DECLARED
    assert_shows(table, documents)
    # Numbers that are there say whether they are whole; what the schema leaves open, the values say.
    documents = documents_of(
        [{"a": {"z": "", "a": 1, "any": [True]}, "b": [1, 2], "c": {}, "d": {"kind": "x", "n": 0.5}}]
    )
    table = public_table([Chosen(Segment.from_documents(documents))], None, declared)
    assert types_of(table) == DECLARED | {
        "a": pa.struct([("z", pa.string()), ("a", pa.int64()), ("any", pa.list_(pa.bool_()))]),
        "b": pa.list_(pa.int64()),
    }
    assert_shows(table, documents)


def test_a_segment_is_converted_once_and_a_few_rows_by_themselves() -> None:
    segment = Segment.from_documents(documents_of([{"a": [n]} for n in range(100)]))
    column = segment.columns["a"]
    few = public_table([Chosen(segment, slice(10, 12))])
    assert few["a"].to_pylist() == [[10], [11]]
    assert column.public is None
    whole = segment.to_arrow()
    assert segment.to_arrow()["a"].chunk(0).buffers()[1].address == whole["a"].chunk(0).buffers()[1].address


def test_chosen_fields_and_rows() -> None:
    segment = Segment.from_documents(documents_of([{"a": n, "b": str(n)} for n in range(5)]))
    table = segment.to_arrow(numpy.array([3, 1]), ["b", "missing"])
    assert table.to_pydict() == {"b": ["3", "1"], "missing": [None, None]}
    assert table.schema.field("missing").type == pa.null()


def test_whole_columns_are_shared() -> None:
    segment = Segment.from_documents(
        documents_of([{"a": float(n), "b": "x" * n, "c": [n] if n else {}} for n in range(50)])
    )
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
    parts = [Chosen(Segment.from_documents([document(n, {"a": n})])) for n in range(2)]
    assert public_table(parts)["a"].num_chunks == 2
