"""What a view shows of its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from convex_nb.views.contents import Contents
from convex_nb.views.window import Window


def shown(value: Any, hints: Mapping[str, str] | None = None) -> Contents:
    contents = Contents(Window(size=10), lambda _rows: hints or {})
    contents.take(value)
    return contents


def rows(count: int) -> list[dict[str, Any]]:
    return [{"_id": f"id{number}", "n": number, "word": "odd" if number % 2 else "even"} for number in range(count)]


def test_a_table_is_a_page_of_its_rows() -> None:
    head, page = shown(rows(25)).drawn()
    assert (head["kind"], head["rows"], head["total"], head["start"]) == ("table", 25, 25, 0)
    assert [key for key, _ in page] == [f"id{number}" for number in range(10)]
    assert [column["name"] for column in head["columns"]] == ["n", "word", "_id"]


@pytest.mark.parametrize(("value", "kind"), [(5, "figure"), ({"a": 1}, "tree"), (None, "figure")])
def test_anything_else_has_a_body_and_no_rows(value: Any, kind: str) -> None:
    contents = shown(value)
    head, page = contents.drawn()
    assert (head["kind"], head["rows"], head["columns"], page) == (kind, 1, [], [])
    assert contents.body is not None or value is None
    assert len(contents.sheet(5, title="t", caption="c").rows) == 1


@pytest.mark.parametrize(
    ("request_", "draws", "first"),
    [
        ({"type": "page", "start": 20}, True, "id20"),
        ({"type": "sort", "column": "word", "add": False}, True, "id0"),
        ({"type": "filter", "text": "word:odd"}, True, "id1"),
        ({"type": "anchor", "key": "id3"}, False, "id0"),
        ({"type": "hello"}, False, "id0"),
    ],
)
def test_the_reader_asks(request_: dict[str, Any], draws: bool, first: str) -> None:
    contents = shown(rows(25))
    contents.drawn()
    assert contents.do(request_) is draws
    assert contents.drawn()[1][0][0] == first


def test_the_schema_is_asked_about_the_first_row_and_again_when_there_was_none() -> None:
    asked: list[Sequence[Any]] = []

    def hints(rows: Sequence[Any]) -> dict[str, str]:
        asked.append(rows)
        return {"word": "string", "later": "number"}

    contents = Contents(Window(), hints)
    contents.take([])
    assert [column["name"] for column in contents.drawn()[0]["columns"]] == ["word", "later"]
    contents.take(rows(2))
    contents.take(rows(3))
    assert asked == [[], rows(1)]
    contents.forget_columns()
    assert "later" not in [column["name"] for column in contents.drawn()[0]["columns"]]
