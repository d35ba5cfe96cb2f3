"""How one page becomes the next."""

from __future__ import annotations

from hypothesis import given, strategies as st

from convex_nb.views.deltas import delta_between, is_empty
from convex_nb.views.messages import Cell, Row
from tests.views.browsers import apply_delta

CELLS: st.SearchStrategy[Cell] = st.none() | st.booleans() | st.integers(0, 1) | st.just(1.0) | st.just("x")
PAGES = st.lists(
    st.tuples(st.integers(0, 12).map(str), st.lists(CELLS, min_size=2, max_size=2)),
    unique_by=lambda row: row[0],
    max_size=10,
)


def row(key: str) -> Row:
    return key, [1]


def exact(page: list[Row]) -> list[tuple[str, list[tuple[type, Cell]]]]:
    return [(key, [(type(cell), cell) for cell in cells]) for key, cells in page]


@given(PAGES, PAGES)
def test_a_delta_makes_the_new_page_of_the_old_one(old: list[Row], new: list[Row]) -> None:
    delta = delta_between(old, new)
    assert exact(apply_delta(old, delta)) == exact(new)
    assert is_empty(delta) == (exact(old) == exact(new))


def test_a_row_on_top_is_one_insert() -> None:
    page: list[Row] = [(str(number), [number]) for number in range(50)]
    delta = delta_between(page, [("new", [0]), *page[:-1]])
    assert delta == {"remove": ["49"], "insert": [(0, "new", [0])], "change": []}


def test_only_changed_cells_travel() -> None:
    delta = delta_between([("a", [1, "x", None])], [("a", [1, "y", None])])
    assert delta["change"] == [("a", {1: "y"})]


def test_an_order_is_said_only_when_rows_that_stayed_moved() -> None:
    a, b, c = (row(name) for name in "abc")
    assert "order" not in delta_between([a, b, c], [a, c])
    assert delta_between([a, b, c], [c, a])["order"] == ["c", "a"]
