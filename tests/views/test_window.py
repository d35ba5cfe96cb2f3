"""The part of a result that a reader looks at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.values import Int64
from convex_nb.views.window import Window


def rows(*numbers: int) -> list[dict[str, Any]]:
    return [{"_id": f"id{number}", "n": number} for number in numbers]


def shown(window: Window) -> list[int]:
    return [row["n"] for row in window.page()]


class Counted(Sequence[Any]):
    """A result that counts how many of its rows were looked at."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.looked_at = 0

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(self.length))]
        self.looked_at += 1
        return {"_id": f"id{place}", "n": place}


def test_a_page_of_a_large_result_looks_at_no_more_than_pages() -> None:
    result = Counted(1_000_000)
    window = Window(size=50)
    window.show(result)
    window.page(), window.keys()
    window.turn(500_000)
    window.show(result)
    assert shown(window)[0] == 500_000
    assert result.looked_at < 500


def test_at_the_top_new_rows_come_into_the_page() -> None:
    window = Window(rows(3, 2, 1), size=2)
    window.show(rows(4, 3, 2, 1))
    assert (shown(window), window.above) == ([4, 3], 0)


def test_further_down_new_rows_above_do_not_push_the_page() -> None:
    window = Window(rows(6, 5, 4, 3, 2, 1), size=2)
    window.turn(2)
    window.show(rows(8, 7, 6, 5, 4, 3, 2, 1))
    assert (shown(window), window.start, window.above) == ([4, 3], 4, 2)
    window.turn(0)
    assert (shown(window), window.above) == ([8, 7], 0)


def test_a_reader_who_scrolled_keeps_the_row_in_view() -> None:
    window = Window(rows(5, 4, 3, 2, 1), size=4)
    window.anchor("id4")
    window.show(rows(6, 5, 4, 3, 2, 1))
    assert (shown(window), window.above) == ([5, 4, 3, 2], 1)


def test_when_the_anchor_is_removed_its_neighbour_holds_the_page() -> None:
    window = Window(rows(*range(100)), size=10)
    window.turn(50)
    window.show([row for row in rows(-1, *range(100)) if row["n"] not in (50, 51)])
    assert shown(window)[:3] == [48, 49, 52]


def test_when_the_whole_page_is_removed_it_stays_at_its_place() -> None:
    window = Window(rows(*range(100)), size=10)
    window.turn(90)
    window.show(rows(*range(20)))
    assert shown(window) == list(range(10, 20))


def test_sorting_cycles_and_follows_the_total_order() -> None:
    values: list[Any] = [2, "b", None, Int64(9), 1.5, True, "a"]
    window = Window([{"_id": str(place), "v": value} for place, value in enumerate(values)] + [{"_id": "missing"}])
    window.cycle("v")
    assert [row.get("v", "missing") for row in window.page()] == ["missing", None, 9, 1.5, 2, True, "a", "b"]
    window.cycle("v")
    assert [row.get("v", "missing") for row in window.page()] == ["b", "a", True, 2, 1.5, 9, None, "missing"]
    window.cycle("v")
    assert window.sort == []
    assert window.page()[0]["v"] == 2


def test_a_second_sort_key_is_added() -> None:
    window = Window([{"_id": f"{a}{b}", "a": a, "b": b} for a in (1, 2) for b in (1, 2)])
    window.cycle("a")
    window.cycle("b", add=True)
    window.cycle("b", add=True)
    assert [(row["a"], row["b"]) for row in window.page()] == [(1, 2), (1, 1), (2, 2), (2, 1)]
    window.cycle("b", add=True)
    assert [key["column"] for key in window.sort] == ["a"]


@pytest.mark.parametrize("result", [[{"n": 1}, {"n": 2}], [{"_id": "a"}, {"_id": "a"}], [{"_id": "a"}, 5]])
def test_rows_without_an_id_of_their_own_are_known_by_their_place(result: list[Any]) -> None:
    assert Window(result).keys() == ["#0", "#1"]


def test_a_row_that_is_no_object_has_one_value() -> None:
    assert Window([{"a": 1}, 5]).page() == [{"a": 1}, {"value": 5}]


@given(
    st.lists(st.tuples(st.sampled_from(["show", "turn", "anchor", "sort"]), st.integers(0, 30)), max_size=12),
    st.lists(st.integers(0, 30), unique=True, max_size=25),
)
def test_a_window_always_shows_a_page_of_the_newest_result(steps: list[tuple[str, int]], first: list[int]) -> None:
    window = Window(rows(*first), size=5)
    result = first
    for step, number in steps:
        if step == "show":
            result = [n for n in result if n != number] if number in result else [number, *result]
            window.show(rows(*result))
        elif step == "turn":
            window.turn(number)
        elif step == "anchor":
            window.anchor(f"id{number}")
        else:
            window.cycle("n")
        page = shown(window)
        sort = window.sort
        whole = sorted(result, reverse=sort[0]["descending"]) if sort else result
        assert page == whole[window.start : window.start + 5]
        assert page or not result
