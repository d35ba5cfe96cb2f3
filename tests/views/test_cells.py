"""One value as one cell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.ids import encode_id
from convex_nb.language.values import UNDEFINED, Id, Int64
from convex_nb.views.cells import TEXT_MOST, cell_text, encode_cell, one_line, preview, short_id, time_text

ID = Id("jd7f2k9m3p5q8r1s4t6v0w2x4y6z8abc", "messages")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, None),
        (True, True),
        (0, 0),
        (1.5, 1.5),
        ("text", "text"),
        (Int64(2**62), {"k": "int64", "v": str(2**62)}),
        (float("nan"), {"k": "float", "v": "NaN"}),
        (float("-inf"), {"k": "float", "v": "-Infinity"}),
        (b"\x00\xff", {"k": "bytes", "v": "00 ff", "n": 2}),
        (ID, {"k": "id", "v": str(ID), "of": "messages"}),
        (UNDEFINED, {"k": "missing"}),
        ([1, {"a": None}], {"k": "json", "v": "[1, {a: null}]"}),
        ("x" * (TEXT_MOST + 1), {"k": "text", "v": "x" * TEXT_MOST, "n": TEXT_MOST + 1}),
    ],
)
def test_encode_cell(value: Any, cell: Any) -> None:
    encoded = encode_cell(value)
    assert encoded == cell
    assert type(encoded) is type(cell)
    json.dumps(encoded, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (UNDEFINED, ""),
        (False, "false"),
        (3.0, "3"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (Int64(-5), "-5"),
        ("two\nlines", "two⏎lines"),
        (ID, "jd7f2…8abc"),
        ({"a": "b"}, '{a: "b"}'),
        (b"abc", "bytes(3: 61 62 63)"),
    ],
)
def test_cell_text(value: Any, text: str) -> None:
    assert cell_text(value) == text


def test_ids_that_came_as_texts_are_ids() -> None:
    id = encode_id(10001, bytes(range(16)))
    assert encode_cell(id) == {"k": "id", "v": id, "of": ""}
    wrong = id[:-1] + ("0" if id[-1] != "0" else "1")
    assert encode_cell(wrong) == wrong
    assert encode_cell("e" * 32) == "e" * 32


def test_marks_that_turn_the_direction_of_writing_are_shown_and_not_obeyed() -> None:
    assert one_line("a\u202eb\u2066c\u200fd") == "a\\u202eb\\u2066c\\u200fd"
    assert one_line("👩\u200d🚀 שלום") == "👩\u200d🚀 שלום"


def test_a_preview_walks_no_further_than_it_shows() -> None:
    class Endless(list[Any]):
        taken = 0

        def __iter__(self) -> Any:
            while True:
                self.taken += 1
                yield "item"

    endless = Endless()
    assert preview(endless, 40).endswith("…")
    assert endless.taken < 20


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.binary(), st.lists, max_leaves=20))
def test_every_preview_is_one_short_line(value: Any) -> None:
    text = preview(value, 60)
    assert len(text) <= 60
    assert text.isprintable() or "\u200d" in text or "\u200c" in text


def test_times_are_utc_and_never_fail() -> None:
    assert time_text(0) == "1970-01-01 00:00:00.000"
    assert time_text(1e300) == "1e+300"


def test_short_ids_stay() -> None:
    assert short_id("abc") == "abc"
