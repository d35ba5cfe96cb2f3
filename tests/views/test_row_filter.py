"""The words of the box above a table."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.language.values import Id, Int64
from convex_nb.views import row_filter
from convex_nb.views.row_filter import RowFilter

ROWS: list[dict[str, Any]] = [
    {"author": "Ada", "size": 10, "done": True, "tags": ["red", "blue"]},
    {"author": "Bob Ada", "size": 2.5, "done": False},
    {"author": "Çelik", "size": Int64(7), "url": "http://x.org/a", "note": None},
    {"author": 'say "x"', "size": float("nan"), "data": b"\x01", "key": Id("j57abc", "t")},
]
FIELDS = ["author", "size", "done", "tags", "url", "note", "data", "key"]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", [0, 1, 2, 3]),
        ("   ", [0, 1, 2, 3]),
        ("ada", [0, 1]),
        ("ADA bob", [1]),
        ("author:ada", [0, 1]),
        ("author=ada", [0]),
        ('author="bob ada"', [1]),
        ('"bob ada"', [1]),
        ('"bob', [1]),
        ("author!=ada", [1, 2, 3]),
        ("ÇELIK", [2]),
        ("size>5", [0, 2]),
        ("size>=10", [0]),
        ("size<5", [1]),
        ("size=2.5", [1]),
        ("size=7", [2]),
        ("size>x", []),
        ("size>1 size<=7", [1, 2]),
        ("done=true", [0]),
        ("done=false", [1]),
        ("note=null", [2]),
        ("blue", [0]),
        ("tags:red", [0]),
        ("http://x.org", [2]),
        ("who:ada", []),
        ("key:57a", [3]),
        ("(", [3]),
        ('"', [0, 1, 2, 3]),
        ("::=><!=", []),
    ],
)
def test_a_filter_finds(text: str, places: list[int]) -> None:
    assert RowFilter(text, FIELDS).rows(ROWS) == [ROWS[place] for place in places]


def test_an_empty_filter_is_none() -> None:
    assert not RowFilter("  ")
    assert RowFilter("x")


def test_only_so_many_rows_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_filter, "ROWS_MOST", 2)
    assert RowFilter("e", FIELDS).rows(ROWS) == ROWS[:2]
