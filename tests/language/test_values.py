"""Sizes and copies of values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from convex_nb.language.documents import Document, freeze
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.ordering import same_value
from convex_nb.language.values import UNDEFINED, Id, Int64, copy_value, size_of
from convex_nb.testing.strategies import values

SIZES: list[tuple[Any, int]] = [
    (None, 1),
    (True, 1),
    (Int64(5), 9),
    (5, 9),
    (5.5, 9),
    ("", 2),
    ("abc", 5),
    ("é", 4),
    ("😀", 6),
    (Id("abc"), 5),
    (b"", 2),
    (b"abc", 5),
    ([], 2),
    ([None, 1.0], 12),
    ({}, 2),
    ({"ab": None}, 6),
    ({"a": [], "b": {}}, 10),
]


@pytest.mark.parametrize(("value", "size"), SIZES)
def test_sizes(value: Any, size: int) -> None:
    assert size_of(value) == size
    assert size_of(freeze(value)) == size


@given(values())
def test_a_container_counts_two_and_its_parts(value: Any) -> None:
    assert size_of([value, value]) == 2 + 2 * size_of(value)
    assert size_of({"key": value}) == 2 + 3 + 1 + size_of(value)


def test_what_is_not_normalised_counts_as_what_it_becomes() -> None:
    assert size_of((1.0,)) == size_of([1.0])
    assert size_of(bytearray(b"abc")) == 5
    with pytest.raises(InvalidValueError, match="UNDEFINED is not a value"):
        size_of(UNDEFINED)


@given(values())
def test_a_copy_is_the_same_value_and_shares_no_plain_container(value: Any) -> None:
    copy = copy_value(value)
    assert same_value(copy, value)
    assert _plain_containers(copy).isdisjoint(_plain_containers(value))


def _plain_containers(value: Any) -> set[int]:
    if type(value) is dict:
        return {id(value)}.union(*map(_plain_containers, value.values()))
    if type(value) is list:
        return {id(value)}.union(*map(_plain_containers, value))
    return set()


def test_copies_share_what_is_read_only() -> None:
    documents = [Document(number=number) for number in range(3)]
    copy = copy_value({"page": documents})
    assert copy["page"] is not documents
    assert all(a is b for a, b in zip(copy["page"], documents, strict=True))
