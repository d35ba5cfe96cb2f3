from __future__ import annotations

from typing import Any

import numpy
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.segments.columns import Column
from convex_nb.engine.segments.layout import MISSING, Field, field_of
from convex_nb.language.documents import freeze
from tests.engine.documents import KINDS, exactly


def seen(values: list[Any]) -> list[Any]:
    return [value if value is MISSING else exactly(value) for value in values]


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=st.data())
def test_values_come_back(kind: str, data: st.DataObject) -> None:
    absent = data.draw(st.sampled_from([st.nothing(), st.none(), st.just(MISSING), st.sampled_from([None, MISSING])]))
    values = [freeze(value) for value in data.draw(st.lists(KINDS[kind] | absent, max_size=12))]
    column = Column.from_values(field_of("a", values), values)
    assert len(column) == len(values)
    assert seen(column.to_list()) == seen(values)
    marks = column.null_marks()
    assert [value is None for value in values] == (marks.to_pylist() if marks is not None else [False] * len(values))
    assert column.nbytes >= 0


@pytest.mark.parametrize(
    ("values", "nulls", "field"),
    [
        ([1, 2], None, Field("a", "int")),
        ([1, None], None, Field("a", "int", optional=True)),
        ([1, None], [False, True], Field("a", "int", nullable=True)),
        ([1, None, None], [False, True, False], Field("a", "int", optional=True, nullable=True)),
        ([None, None], [True, False], Field("a", "null", optional=True, nullable=True)),
        ([None], [True], Field("a", "null", nullable=True)),
        ([None], None, Field("a", "null", optional=True)),
    ],
)
def test_the_field_is_fitted_to_the_rows(values: list[Any], nulls: list[bool] | None, field: Field) -> None:
    marks = None if nulls is None else pa.array(nulls)
    column = Column.fitted("a", "int", pa.array(values, pa.int64()), marks, None)
    assert column.field == field
    expected = [MISSING if x is None and not (nulls and nulls[place]) else x for place, x in enumerate(values)]
    assert column.to_list() == expected


@pytest.mark.parametrize(
    ("whole", "kind", "expected"),
    [
        ([True, True, False], "int", [1, 2, MISSING]),
        ([False, False, False], "float", [1.0, 2.0, MISSING]),
        ([True, False, False], "number", [1, 2.0, MISSING]),
    ],
)
def test_numbers_are_fitted(whole: list[bool], kind: str, expected: list[Any]) -> None:
    column = Column.fitted("a", "number", pa.array([1.0, 2.0, None]), None, pa.array(whole))
    assert column.field.kind == kind
    assert seen(column.to_list()) == seen(expected)


def test_slices_get_buffers_of_their_own() -> None:
    texts = pa.array([str(number) for number in range(100)])
    column = Column(Field("a", "string"), texts.slice(7, 20))
    assert [column.bytes_at(row).decode() for row in range(20)] == texts.slice(7, 20).to_pylist()
    marks = pa.array([number % 3 == 0 for number in range(100)])
    column = Column(Field("a", "number"), pa.array(numpy.arange(100.0)).slice(7), None, marks.slice(7))
    assert column.values.offset == 0
    assert column.whole is not None
    assert column.whole.offset == 0
    assert column.numbers[0] == 7.0
