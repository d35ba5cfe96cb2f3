"""`Int64`, `Id` and `UNDEFINED`."""

from __future__ import annotations

import copy
import operator
import pickle
from typing import Annotated, Any, get_args, get_origin

import pytest
from hypothesis import given

from convex_nb.language.errors import InvalidValueError
from convex_nb.language.values import INT64_LEAST, INT64_MOST, UNDEFINED, Id, Int64
from convex_nb.testing.strategies import int64s

BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.floordiv,
    operator.mod,
    operator.and_,
    operator.or_,
    operator.xor,
]


@pytest.mark.parametrize("operation", BINARY)
@given(a=int64s(), b=int64s())
def test_int64_arithmetic_is_that_of_int_within_64_bits(operation: Any, a: Int64, b: Int64) -> None:
    if b == 0 and operation in (operator.floordiv, operator.mod):
        return
    expected = operation(int(a), int(b))
    for x, y in ((a, b), (a, int(b)), (int(a), b)):
        if INT64_LEAST <= expected <= INT64_MOST:
            result = operation(x, y)
            assert type(result) is Int64
            assert int(result) == expected
        else:
            with pytest.raises(InvalidValueError, match="Int64"):
                operation(x, y)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (-Int64(5), Int64(-5)),
        (+Int64(5), Int64(5)),
        (abs(Int64(-5)), Int64(5)),
        (~Int64(5), Int64(-6)),
        (round(Int64(15), -1), Int64(20)),
        (Int64(2) ** 10, Int64(1024)),
        (2 ** Int64(10), Int64(1024)),
        (pow(Int64(2), 10, 1000), Int64(24)),
        (Int64(1) << 4, Int64(16)),
        (1 << Int64(4), Int64(16)),
        (Int64(16) >> 4, Int64(1)),
        (7 // Int64(2), Int64(3)),
        (7 % Int64(4), Int64(3)),
        (sum([Int64(1), Int64(2)]), Int64(3)),
    ],
)
def test_every_whole_result_is_an_int64(result: object, expected: Int64) -> None:
    assert type(result) is Int64
    assert result == expected


def test_results_that_are_not_whole_are_floats() -> None:
    assert Int64(5) / 2 == 2.5
    assert Int64(5) + 0.5 == 5.5
    assert Int64(2) ** -1 == 0.5
    assert divmod(Int64(7), 2) == (Int64(3), Int64(1))
    assert [type(part) for part in divmod(7, Int64(2))] == [Int64, Int64]


@pytest.mark.parametrize(
    "number", [2**63, -(2**63) - 1, 10**5000, 5.5, 1e300], ids=["63", "-63", "5000", "5.5", "1e300"]
)
def test_what_no_int64_equals_is_refused(number: Any) -> None:
    with pytest.raises(InvalidValueError, match="Int64"):
        Int64(number)


def test_an_int64_prints_and_travels_as_itself() -> None:
    number = Int64(5)
    assert (repr(number), str(number), f"{number:03d}") == ("Int64(5)", "5", "005")
    for twin in (pickle.loads(pickle.dumps(number)), copy.copy(number), copy.deepcopy(number)):
        assert type(twin) is Int64
        assert twin == number
    assert Int64("12") == 12
    assert Int64(5.0) == 5
    assert Int64() == 0


def test_an_id_is_its_text_and_knows_its_table() -> None:
    document_id = Id("j5700", "tasks")
    assert document_id == "j5700"
    assert hash(document_id) == hash("j5700")
    assert document_id.table == "tasks"
    assert Id("j5700").table is None
    assert type(str(document_id)) is str
    for twin in (pickle.loads(pickle.dumps(document_id)), copy.deepcopy(document_id)):
        assert (type(twin), twin, twin.table) == (Id, "j5700", "tasks")


def test_an_id_in_an_annotation_names_its_table() -> None:
    annotation = Id["tasks"]  # type: ignore[type-arg,name-defined]
    assert get_origin(annotation) is Annotated
    assert get_args(annotation) == (Id, "tasks")


def test_undefined_is_one_falsy_thing() -> None:
    assert not UNDEFINED
    assert repr(UNDEFINED) == "UNDEFINED"
    assert pickle.loads(pickle.dumps(UNDEFINED)) is UNDEFINED
    assert copy.deepcopy(UNDEFINED) is UNDEFINED
    assert type(UNDEFINED)() is UNDEFINED
