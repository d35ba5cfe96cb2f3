"""What DuckDB finds is what Python finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.reading.filters import Expression, FilterError, matches
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.sql.duckdb_cursor import cursor
from convex_nb.engine.sql.expressions import CompiledFilter, compile_filter, conjuncts, may_raise
from convex_nb.language.values import UNDEFINED, Int64
from tests.engine.documents import documents_of, field_lists
from tests.engine.expressions import CORNERS, Q, conditions

NAN = float("nan")


def compiled(segment: Segment, *filters: Expression) -> CompiledFilter:
    return compile_filter(conjuncts(filters), segment)


def decided(filters: Sequence[Expression], left: CompiledFilter) -> list[Expression]:
    return [condition for number, condition in enumerate(conjuncts(filters)) if number not in left.left]


def in_python(conditions: Sequence[Expression], documents: Sequence[Any]) -> list[int]:
    return [
        number
        for number, document in enumerate(documents)
        if all(matches(condition, document) for condition in conditions)
    ]


@given(field_lists(), st.lists(conditions(), min_size=1, max_size=3), st.data())
def test_duckdb_finds_the_rows_that_python_finds(
    fields: list[dict[str, Any]], filters: list[Expression], data: st.DataObject
) -> None:
    documents = documents_of(fields)
    segment = Segment.from_documents(documents)
    sql = compiled(segment, *filters)
    assert sql.matching(slice(0, len(documents))).tolist() == in_python(decided(filters, sql), documents)
    rows = data.draw(st.lists(st.integers(0, len(documents) - 1), max_size=9))
    chosen = [documents[row] for row in rows]
    assert sql.matching(np.array(rows, np.int32)).tolist() == in_python(decided(filters, sql), chosen)


@given(field_lists(), conditions())
def test_what_cannot_raise_never_does(fields: list[dict[str, Any]], condition: Expression) -> None:
    for document in documents_of(fields):
        try:
            matches(condition, document)
        except FilterError:
            assert may_raise(condition)


FLAT: dict[str, list[Any]] = {
    "int": [0, 5, -3],
    "float": [0.5, -1.0, 1e300],
    "zeros": [0.0, -0.0, 1.0],
    "nans": [NAN, -NAN, float("inf"), -float("inf")],
    "number": [1, 1.5, 2],
    "int64": [Int64(0), Int64(1), Int64(-(2**63))],
    "boolean": [True, False],
    "string": ["", "a", "a\x00b", "\U0001f600", "\uff5e"],
    "bytes": [b"", b"a\x00"],
}


ABSENT = pytest.mark.parametrize("absent", [[], [None], [UNDEFINED], [None, UNDEFINED]], ids=repr)
OPERATORS = ("eq", "neq", "lt", "lte", "gt", "gte")


def present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not UNDEFINED}


def assert_all_right(fields: list[dict[str, Any]], conditions: list[Expression]) -> None:
    """Every condition compiles, and is true in DuckDB for the documents for which it is true in Python."""
    documents = documents_of(list(map(present, fields)))
    sql = compile_filter(conditions, Segment.from_documents(documents))
    assert not sql.left
    with cursor() as duckdb:
        duckdb.register("range", sql.table(slice(0, len(documents))))
        verdicts = duckdb.execute(f'SELECT {", ".join(sql.conditions)} FROM "range"', dict(sql.parameters)).fetchall()
    for document, row in zip(documents, verdicts, strict=True):
        for condition, text, verdict in zip(conditions, sql.conditions, row, strict=True):
            assert verdict is matches(condition, document), (condition, text, document)


@ABSENT
@pytest.mark.parametrize("kind", FLAT)
def test_a_flat_column_is_compared_with_every_literal(kind: str, absent: list[Any]) -> None:
    conditions = []
    for operator in OPERATORS:
        for literal in [*CORNERS, *FLAT[kind]]:
            conditions += [getattr(Q, operator)(Q.field("x"), literal), getattr(Q, operator)(literal, Q.field("x"))]
    conditions += [Q.not_(condition) for condition in conditions]
    assert_all_right([{"x": value} for value in [*FLAT[kind], *absent]], conditions)


@ABSENT
@pytest.mark.parametrize("kind", FLAT)
def test_columns_are_compared_with_each_other(kind: str, absent: list[Any]) -> None:
    conditions = [getattr(Q, operator)(Q.field("x"), Q.field("y")) for operator in OPERATORS]
    for other in FLAT:
        pairs = [{"x": x, "y": y} for x in [*FLAT[kind], *absent] for y in [*FLAT[other], *absent]]
        assert_all_right(pairs, conditions)


def test_a_field_that_no_document_has_is_missing() -> None:
    absent = [Q.field("nobody"), Q.field("x.inner"), Q.field("nobody.inner")]
    conditions = [getattr(Q, operator)(field, each) for operator in OPERATORS for field in absent for each in CORNERS]
    conditions += [getattr(Q, operator)(field, Q.field("x")) for operator in OPERATORS for field in absent]
    for values in FLAT.values():
        assert_all_right([{"x": value} for value in [*values, None, UNDEFINED]], conditions)


def test_what_python_decides_says_why() -> None:
    segment = Segment.from_documents(documents_of([{"n": 1, "x": 1}, {"n": 2, "x": "two"}, {"n": 3, "x": {"y": 1}}]))
    for condition, reason in [
        (Q.field("x") > 1, "the field 'x' holds values that are nested or of several types"),
        (Q.eq(Q.field("x.y"), 1), "the field 'x' holds values that are nested or of several types"),
        (Q.field("n") + 1 > 2, "is arithmetic"),
        (Q.field("n"), "is not a boolean in every document"),
    ]:
        assert reason in compiled(segment, condition).left[0]


def test_a_condition_behind_one_that_may_raise_is_left_to_python() -> None:
    segment = Segment.from_documents(documents_of([{"n": 1}, {"n": 2}]))
    first, risky, last = Q.field("n") > 1, Q.field("n") / 0 > 1, Q.field("n") < 9
    sql = compiled(segment, first, risky, last)
    assert len(sql.conditions) == 1
    assert sorted(sql.left) == [1, 2]
    assert "may raise" in sql.left[2]


def test_a_path_through_something_that_is_no_object_is_a_missing_field() -> None:
    segment = Segment.from_documents(documents_of([{"a": 1}, {"a": "text"}]))
    flat = Segment.from_documents(documents_of([{"a": 1}, {"a": 2}]))
    assert compiled(flat, Q.eq(Q.field("a.b.c"), UNDEFINED)).matching(slice(0, 2)).tolist() == [0, 1]
    assert compiled(segment, Q.eq(Q.field("a.b.c"), UNDEFINED)).left


def test_literals_are_bound_and_never_part_of_the_text() -> None:
    text = "x' OR TRUE --"
    segment = Segment.from_documents(documents_of([{"a": "x"}, {"a": text}]))
    sql = compiled(segment, Q.field("a") == text)
    assert text not in " ".join(sql.conditions)
    assert sql.matching(slice(0, 2)).tolist() == [1]
