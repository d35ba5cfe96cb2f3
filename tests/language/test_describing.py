from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from convex_nb.language.describing import counted, describe, shorten
from convex_nb.language.documents import Document
from convex_nb.testing.strategies import values


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (0, "row", "0 rows"),
        (1, "query", "1 query"),
        (2, "query", "2 queries"),
        (3, "index", "3 indexes"),
        (2000, "other commit", "2,000 other commits"),
    ],
)
def test_what_is_counted(number: int, noun: str, text: str) -> None:
    assert counted(number, noun) == text


def test_shortened_texts_keep_both_ends() -> None:
    assert shorten("abc") == "abc"
    assert shorten("a" * 50 + "b" * 50, 10) == "aaaaaa…bbb"


@given(values())
def test_short_values_are_described_by_their_repr(value: Any) -> None:
    text = repr(value)
    if len(text) <= 100:
        assert describe(value, 400) == text
    assert len(describe(value, 80)) <= 80


def test_descriptions_are_short_whatever_they_describe() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    cycle: list[Any] = []
    cycle.append(cycle)
    huge = {"a": ["x" * 10_000_000] * 1000, "b": 10**3000}
    for value in (deep, cycle, huge, "x" * 10_000_000, Document(a=huge), [Broken()], 10**5000, {1, "a" * 1000}):
        assert len(describe(value)) <= 400
    assert describe([Broken()]) == "[<Broken whose repr raises RuntimeError>]"
