"""Text as terms, one by one and a column at once."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.search.tokens import terms_of, tokens_of_column
from convex_nb.testing.strategies import texts
from tests.engine.search.naive import ODD, TEXTS, places

CASES = [
    ("Hello, World!", ["hello", "world"]),
    ("  ", []),
    ("", []),
    ("snake_case don't", ["snake", "case", "don", "t"]),
    ("x2 ½ 漢字 Straße ΟΔΟΣ", ["x2", "½", "漢字", "straße", "οδος"]),
    ("a" * 32 + " " + "b" * 33, ["a" * 32]),
    ("é" * 16 + " " + "é" * 17, ["é" * 16]),
]


@pytest.mark.parametrize(("text", "terms"), CASES)
def test_terms(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms
    assert tokens_of_column(pa.array([text])).terms.cast(pa.string()).to_pylist() == terms


@given(st.lists(st.none() | TEXTS | ODD.filter(lambda text: isinstance(text, str)) | texts()), st.booleans())
def test_a_column_at_once(column: list[str | None], large: bool) -> None:
    array = pa.array(column, pa.large_string() if large else pa.string())
    # A slice of more, as stretches of a segment are.
    array = pa.concat_arrays([pa.array(["before é"], array.type), array, pa.array(["after"], array.type)])
    tokens = tokens_of_column(array.slice(1, len(column)))
    found = zip(tokens.rows.tolist(), tokens.terms.to_pylist(), tokens.positions.tolist(), strict=True)
    expected = [(row, word.encode(), place) for row, text in enumerate(column) for word, place in places(text)]
    assert list(found) == expected
