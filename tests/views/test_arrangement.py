"""Columns as the reader has arranged them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.views.arrangement import NARROWEST, WIDEST, Arrangement
from convex_nb.views.live_view import LiveView
from convex_nb.views.messages import Column
from tests.views.test_live_view import Shown, Source, message


def columns(*names: str) -> list[Column]:
    return [{"name": name, "type": "any", "align": "left", "system": name.startswith("_")} for name in names]


def names(found: list[Column]) -> list[str]:
    return [column["name"] for column in found]


def taken(order: list[Any], hidden: list[Any] = [], widths: dict[str, Any] | None = None) -> Arrangement:  # noqa: B006
    arrangement = Arrangement()
    arrangement.take(order, hidden, widths or {})
    return arrangement


def test_as_long_as_nothing_is_arranged_columns_are_as_they_come() -> None:
    arrangement = Arrangement()
    assert names(arrangement.shown(columns("a", "b", "_id"))) == ["a", "b", "_id"]
    assert arrangement.widths == {}


def test_hidden_columns_keep_their_place() -> None:
    arrangement = taken(["c", "b", "a"], ["b"])
    assert names(arrangement.shown(columns("a", "b", "c"))) == ["c", "a"]
    assert names(arrangement.arranged(columns("a", "b", "c"))) == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("order", "come", "expected"),
    [
        (["b", "a", "_id"], ["a", "b", "new", "_id"], ["b", "new", "a", "_id"]),
        (["b", "a"], ["first", "a", "b"], ["first", "b", "a"]),
        (["gone", "b", "a"], ["a", "b"], ["b", "a"]),
        (["gone"], ["a", "b"], ["a", "b"]),
    ],
)
def test_a_column_that_was_not_there_stands_behind_the_one_it_follows(
    order: list[str], come: list[str], expected: list[str]
) -> None:
    assert names(taken(order).arranged(columns(*come))) == expected


def test_a_table_is_never_without_columns() -> None:
    assert names(taken([], ["a", "b"]).shown(columns("a", "b"))) == ["a", "b"]


def test_what_is_no_width_is_left_out() -> None:
    arrangement = taken([1, "a", "a"], [None, "b"], {"a": 1, "b": 1e9, "c": 99.6, "d": "wide", "e": True})
    assert arrangement.widths == {"a": NARROWEST, "b": WIDEST, "c": 100}
    assert arrangement.order == ["a"]
    assert arrangement.hidden == {"b"}


NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(NAMES, NAMES, NAMES)
def test_every_column_has_one_place(order: list[str], hidden: list[str], come: list[str]) -> None:
    arrangement = taken(order, hidden)
    assert sorted(names(arrangement.arranged(columns(*come)))) == sorted(come)
    kept = [name for name in order if name in come]
    assert [name for name in names(arrangement.arranged(columns(*come))) if name in order] == kept


@pytest.fixture
def view() -> Iterator[Shown]:
    view = Shown(Source((message(1, size=5), message(2, size=6))), {})
    yield view
    view.close()


def test_a_view_sends_what_is_shown_and_keeps_it_when_its_code_changes(view: Shown) -> None:
    view.says("arrange", order=["size", "body"], hidden=["_creationTime", "_id"], widths={"body": 300})
    whole = view.whole()
    assert [column["name"] for column in whole["head"]["columns"]] == ["size", "body"]
    assert whole["head"]["fields"] == ["size", "_creationTime", "_id", "body"]
    assert whole["head"]["widths"] == {"body": 300}
    assert [cells for _, cells in whole["page"]] == [[5, "message 1"], [6, "message 2"]]
    view.ask({}, Source((message(3, size=7, new=True),)).watch)
    head = view.whole()["head"]
    assert [column["name"] for column in head["columns"]] == ["size", "new", "body"]


def test_a_width_is_no_reason_to_send_rows(view: Shown) -> None:
    before = view.whole()
    view.says("arrange", order=[], hidden=[], widths={"body": 300})
    after = view.whole()
    assert {name for name in after["head"] if after["head"][name] != before["head"][name]} == {"widths"}
    assert all(new is old for (_, new), (_, old) in zip(after["page"], before["page"], strict=True))


def test_the_static_table_is_arranged_as_well_and_says_so(view: LiveView) -> None:
    assert [heading.name for heading in view.sheet().headings] == ["body", "size"]
    assert "columns" not in view.sheet().caption
    view._from_browser({"type": "arrange", "order": ["size"], "hidden": ["body"], "widths": {}})
    assert [heading.name for heading in view.sheet().headings] == ["size"]
    assert "2 rows; 3 of 4 columns; snapshot" in view.sheet().caption
