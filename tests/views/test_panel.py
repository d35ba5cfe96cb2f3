"""What is opened below a view: documents one after another, or one value in full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb.language.documents import Document
from convex_nb.language.values import Id, Int64
from convex_nb.views.messages import Opened
from convex_nb.views.panel import BYTES_MOST, TEXT_MOST, Panel
from tests.views.test_live_view import Query, Shown, Source, message

ADA = Document({"name": "Ada", "_id": Id("ada", "users"), "_creationTime": 1.0})
BOB = Document({"name": "Bob", "boss": Id("ada", "users"), "_id": Id("bob", "users"), "_creationTime": 2.0})


class Documents:
    """A deployment of two users."""

    def __init__(self) -> None:
        self.sources = {"ada": Source(ADA), "bob": Source(BOB), "gone": Source(None)}

    def find(self, id: str) -> Query:
        return self.sources[id].watch({})

    def open(self) -> list[str]:
        return [id for id, source in self.sources.items() for query in source.queries if not query.closed]


@pytest.fixture
def documents() -> Documents:
    return Documents()


def picture(panel: Panel, row: Any = None) -> Opened:
    opened = panel.picture(lambda _key: row, None)
    assert opened is not None
    return opened


def test_a_document_is_shown_by_its_id_and_is_live(documents: Documents) -> None:
    panel = Panel(documents.find)
    assert panel.picture(lambda _key: None, None) is None
    panel.open_document("bob")
    opened = picture(panel)
    assert (opened["title"], opened["id"], opened["back"]) == ("users", "bob", False)
    assert [(node["label"], node["cell"]) for node in opened["tree"]["items"]] == [
        ("name", "Bob"),
        ("boss", {"k": "id", "v": "ada", "of": "users"}),
        ("_creationTime", {"k": "time", "v": 2.0}),
    ]
    assert not panel.has_moved()
    documents.sources["bob"].value = Document({**BOB, "name": "Rob"})
    assert panel.has_moved()
    assert picture(panel)["tree"]["items"][0]["cell"] == "Rob"
    assert not panel.has_moved()


def test_one_goes_on_and_back_and_only_what_is_open_is_followed(documents: Documents) -> None:
    panel = Panel(documents.find)
    panel.open_document("bob")
    panel.open_document("ada", onward=True)
    panel.open_document("ada", onward=True)
    assert (picture(panel)["id"], picture(panel)["back"]) == ("ada", True)
    assert documents.open() == ["ada", "bob"]
    panel.back()
    assert (picture(panel)["id"], picture(panel)["back"]) == ("bob", False)
    assert documents.open() == ["bob"]
    panel.open_document("ada")
    assert documents.open() == ["ada"]
    panel.close()
    assert documents.open() == []
    assert not panel.has_moved()


def test_what_is_not_there_is_said(documents: Documents) -> None:
    panel = Panel(documents.find)
    panel.open_document("gone")
    assert "no document of this id" in picture(panel)["note"]
    documents.sources["gone"].error = ValueError("boom")
    assert panel.has_moved()
    assert picture(panel)["note"] == "ValueError: boom"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("two\nlines", {"text": "two\nlines"}),
        (
            "x" * (TEXT_MOST + 5),
            {"text": "x" * TEXT_MOST, "note": f"the first {TEXT_MOST:,} of {TEXT_MOST + 5:,} characters"},
        ),
        (b"\x00\xff" * 9, {"text": f"{'00 ff ' * 8}".strip() + "\n00 ff", "note": "18 bytes"}),
        (
            b"x" * 5000,
            {"text": "\n".join([("78 " * 16).strip()] * (BYTES_MOST // 16)), "note": "the first 4,096 of 5,000 bytes"},
        ),
        (Id("ada", "users"), {"text": "ada"}),
        (Int64(2**60), {"tree": {"label": "", "cell": {"k": "int64", "v": str(2**60)}}}),
    ],
)
def test_a_value_is_shown_in_full(value: Any, expected: dict[str, Any]) -> None:
    panel = Panel()
    panel.open_cell({"_id": "r1", "v": value}, "r1", "v")
    opened = picture(panel)
    assert {**opened, "place": ""} == {"place": "", "title": "v", "id": "r1", "back": False, **expected}


def test_a_value_follows_its_row_and_stays_when_the_row_has_gone() -> None:
    panel = Panel()
    panel.open_cell({"v": [1]}, "#0", "v")
    assert picture(panel, {"v": [1, 2]})["tree"]["size"] == "2 items"
    assert picture(panel)["tree"]["size"] == "1 item"


def test_of_what_a_cell_shows_in_full_the_rows_document_is_opened(documents: Documents) -> None:
    panel = Panel(documents.find)
    for column, id in [("size", "bob"), ("boss", "ada"), ("_id", "bob"), ("missing", "bob")]:
        panel.open_cell({**BOB, "size": 5}, "bob", column)
        assert picture(panel)["id"] == id, column
    panel.open_cell(BOB, "bob", "name")
    assert picture(panel)["text"] == "Bob"


@pytest.fixture
def view() -> Iterator[Shown]:
    view = Shown(Source((message(1, tags=["a"]), message(2))), {})
    yield view
    view.close()


def test_a_view_shows_what_is_opened_until_it_is_shut(view: Shown) -> None:
    assert view.whole()["head"]["opened"] is None
    view.says("open", key="id1", column="tags")
    assert view.whole()["head"]["opened"]["tree"]["size"] == "1 item"
    view.says("open", key="nobody", column="tags")
    view.says("open", id="id2")  # without a deployment ids lead nowhere
    assert view.whole()["head"]["opened"]["place"] == "id1 tags"
    assert view.whole()["head"]["jumps"] is False
    view.says("shut")
    assert view.whole()["head"]["opened"] is None
    view.says("back")
    assert view.whole()["head"]["opened"] is None
