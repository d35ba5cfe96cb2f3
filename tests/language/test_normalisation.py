"""How Python's objects become values, and how those that cannot are refused."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import uuid
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import pandas
import pyarrow
import pytest
from hypothesis import given

from convex_nb.language.documents import Document, ReadOnlyList, freeze
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.limits import Limits
from convex_nb.language.ordering import same_value
from convex_nb.language.values import UNDEFINED, Id, Int64, to_value
from convex_nb.testing.strategies import values


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(NamedTuple):
    x: float
    y: float


@dataclass
class Person:
    name: str


class Whatever:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


ACCEPTED = [
    ((1, "a"), [1, "a"]),
    (bytearray(b"ab"), b"ab"),
    (memoryview(b"ab"), b"ab"),
    (Color.RED, "red"),
    (Level.HIGH, 3),
    (collections.OrderedDict(a=1), {"a": 1}),
    (collections.defaultdict(int, a=1), {"a": 1}),
    ({"a": UNDEFINED, "b": 1}, {"b": 1}),
    ({"a": {"b": UNDEFINED}}, {"a": {}}),
    (numpy.bool_(True), True),
    (numpy.int64(5), 5),
    (numpy.uint8(5), 5),
    (numpy.float64(5.5), 5.5),
    (numpy.float32(0.5), 0.5),
    (numpy.float16(0.5), 0.5),
    (numpy.str_("a"), "a"),
    (numpy.bytes_(b"a"), b"a"),
    ({"a": (numpy.float64("inf"),)}, {"a": [float("inf")]}),
    (2**53, 2**53),
    (-(2**53), -(2**53)),
    ({"a b": 1, "_id": 2, "x" * 1024: 3}, {"a b": 1, "_id": 2, "x" * 1024: 3}),
]


@pytest.mark.parametrize(("given_", "expected"), ACCEPTED)
def test_accepted(given_: Any, expected: Any) -> None:
    assert same_value(to_value(given_), expected)
    assert same_value(to_value({"a": [given_]}), {"a": [expected]})


def _deep(levels: int, make: Any) -> Any:
    value: Any = 1.0
    for _ in range(levels):
        value = make(value)
    return value


def _cycle() -> list[Any]:
    value: list[Any] = []
    value.append({"a": value})
    return value


REFUSED = [
    (datetime.datetime(2026, 1, 1), "milliseconds"),
    (datetime.date(2026, 1, 1), "ISO text"),
    (datetime.timedelta(1), "milliseconds"),
    (pandas.Timestamp(0), "milliseconds"),
    (pandas.NaT, "None"),
    (pandas.NA, "None"),
    (numpy.datetime64(0, "ms"), "milliseconds"),
    (numpy.timedelta64(1, "ms"), "milliseconds"),
    (decimal.Decimal("1.5"), r"float\(d\)"),
    (fractions.Fraction(1, 3), r"float\(f\)"),
    (uuid.UUID(int=1), r"str\(u\)"),
    ({1, 2}, "list"),
    (frozenset(), "list"),
    (range(3), "list"),
    ((x for x in "ab"), "list"),
    (1 + 2j, "real"),
    (numpy.array([1, 2]), "tolist"),
    (numpy.array(5), "tolist"),
    (pandas.Series([1]), "import_table"),
    (pandas.DataFrame({"a": [1]}), "import_table"),
    (pyarrow.table({"a": [1]}), "import_table"),
    (numpy.longdouble("0.1"), "float64"),
    (numpy.complex64(1), "not a Convex value"),
    (Point(1, 2), "_asdict"),
    (Person("Ada"), "asdict"),
    (Whatever(), "is a Whatever, which is not a Convex value"),
    (ImportError(), "is an ImportError, which is not a Convex value"),
    (object, "not a Convex value"),
    (len, "not a Convex value"),
    (UNDEFINED, "UNDEFINED is not a value"),
    ("\ud800", "surrogate"),
    (Id("\udfff"), "surrogate"),
    (2**53 + 1, "Int64"),
    (-(2**53) - 1, "Int64"),
    (2**63, r"str\(n\)"),
    (10**6000, r"str\(n\)"),
    (numpy.uint64(2**63), r"str\(n\)"),
    (numpy.int64(2**62), "Int64"),
    ({"": 1}, "empty"),
    ({"$a": 1}, "reserved"),
    ({"\n": 1}, "printable ASCII"),
    ({"é": 1}, "printable ASCII"),
    ({"x" * 1025: 1}, "1025 characters"),
    ({1: 1}, "Object keys are strings"),
    ({None: 1}, "Object keys are strings"),
    ({float("nan"): 1}, "Object keys are strings"),
    ({("a", "b"): 1}, "Object keys are strings"),
    ({f"k{number}": 1 for number in range(1025)}, "1025 fields"),
    (_deep(65, lambda value: [value]), "64 levels"),
    (_deep(65, lambda value: {"a": value}), "64 levels"),
    (_deep(100_000, lambda value: [value]), "64 levels"),
    (_deep(100_000, lambda value: (value,)), "64 levels"),
    (_cycle(), "contains itself"),
    (_deep(60, lambda value: [value, value]), "objects and arrays inside"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_with_what_to_write_instead(value: Any, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convex_nb.language.normalisation._MOST_CONTAINERS", 10_000)
    with pytest.raises(InvalidValueError, match=message) as found:
        to_value(value)
    assert len(str(found.value)) < 1000


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b": {1, 2}}]}, ".a[1].b"),
        ([[["\ud800"]]], "[0][0][0]"),
        ({"a": {"b": {"$c": 1}}}, ".a.b"),
        ({"a": [1.0, UNDEFINED]}, ".a[1]"),
        ({"rows": [{"n": 1}, {"n": 2**60}]}, ".rows[1].n"),
    ],
)
def test_the_error_names_the_place(value: Any, path: str) -> None:
    with pytest.raises(InvalidValueError) as found:
        to_value(value)
    assert found.value.path == path
    assert f"Path: {path}" in str(found.value)
    with pytest.raises(InvalidValueError) as found:
        to_value(value, path=".args")
    assert found.value.path == ".args" + path


def test_64_levels_are_allowed() -> None:
    value = _deep(64, lambda value: [value])
    assert same_value(to_value(value), value)


@given(values())
def test_a_normalised_value_stays_the_same_value_in_fresh_containers(value: Any) -> None:
    copy = to_value(value)
    assert same_value(copy, value)
    if isinstance(value, (dict, list)):
        assert copy is not value


@given(values())
def test_read_only_values_are_shared(value: Any) -> None:
    frozen = freeze(value)
    assert to_value(frozen) is frozen
    assert to_value([frozen])[0] is frozen


def test_long_arrays_are_a_matter_of_the_profile() -> None:
    array = [0.5] * 8193
    assert to_value(array) == array
    assert to_value([Document()] * 8193, limits=Limits.notebook())[0] == {}
    with pytest.raises(InvalidValueError, match="8193 elements; at most 8192"):
        to_value({"a": array}, limits=Limits.convex())


def test_mixed_read_only_lists_are_copied_not_entered() -> None:
    parts = [Document(a=1), ReadOnlyList([1])]
    assert [a is b for a, b in zip(to_value(parts), parts, strict=True)] == [True, True]


def test_int64_stays_int64() -> None:
    assert type(to_value(Int64(5))) is Int64
    assert type(to_value([Int64(5), 5])[0]) is Int64
