from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.stock.chunks import chunks_of

TEXT = "One two. Three four!\n\nFive\nsix seven\n\nEight."


@pytest.mark.parametrize(
    ("most", "chunks"),
    [
        (100, [TEXT]),
        (24, ["One two. Three four!", "Five\nsix seven\n\nEight."]),
        (16, ["One two.", "Three four!", "Five\nsix seven", "Eight."]),
        (10, ["One two.", "Three", "four!", "Five", "six seven", "Eight."]),
        (3, ["One", "two", ".", "Thr", "ee", "fou", "r!", "Fiv", "e", "six", "sev", "en", "Eig", "ht."]),
    ],
)
def test_a_text_is_divided_between_paragraphs_lines_sentences_and_words(most: int, chunks: list[str]) -> None:
    assert chunks_of(TEXT, most) == chunks


@settings(max_examples=60)
@given(st.text(alphabet="ab. \n", max_size=60), st.integers(1, 20))
def test_chunks_fit_and_nothing_is_lost(text: str, most: int) -> None:
    chunks = chunks_of(text, most)
    assert all(0 < len(chunk) <= most for chunk in chunks)
    assert "".join("".join(chunks).split()) == "".join(text.split())
