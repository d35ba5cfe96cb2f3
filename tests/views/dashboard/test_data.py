"""Data: tables, filters, documents added, edited and deleted, schema and indexes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from convex_nb.deployment.deployment import Deployment
from convex_nb.views.dashboard.data import Data
from tests.views.dashboard.conftest import Reader

Open = Callable[[str], Reader]


@pytest.fixture
def data(deployment: Deployment, opened: Open) -> Reader:
    for author in ("Ada", "Bob", "Ada"):
        deployment.mutation("messages:send", author=author, likes=len(author))
    deployment.transact(lambda db: db.insert("notes", {"text": "one", "size": 5}))
    return opened("data")


def choose(data: Reader, place: int) -> str:
    """Put the cursor in a row."""
    id = data.rows[place]["_id"]
    data.host.views[-1].selection = id
    return str(id)


def test_tables_with_their_counts_and_documents_newest_first(deployment: Deployment, data: Reader) -> None:
    assert [(item["label"], item["note"], item["on"]) for item in data["tables"]["items"]] == [
        ("messages", "3", True),
        ("notes", "1", False),
    ]
    assert [row["author"] for row in data.rows] == ["Ada", "Bob", "Ada"]
    data.do("table", "notes")
    assert [row["text"] for row in data.rows] == ["one"]
    deployment.transact(lambda db: db.insert("notes", {"text": "two"}))
    assert [row["text"] for row in data.rows] == ["two", "one"]
    assert data["tables"]["items"][1]["note"] == "2"


def test_filters_are_added_applied_copied_and_cleared(data: Reader) -> None:
    data.do("more")
    assert [field["name"] for field in data["filter"]["rows"][0]] == ["field0", "operator0", "value0"]
    assert [value for value, _ in data["filter"]["rows"][0][0]["choices"]] == [
        "author",
        "likes",
        "_creationTime",
        "_id",
    ]
    data.do("apply", field0="author", operator0="eq", value0="Ada")
    assert [row["author"] for row in data.rows] == ["Ada", "Ada"]
    data.do("apply", field0="author", operator0="type", value0="text")
    assert data.said.startswith("'text' is no type")
    assert data["filter"]["rows"][0][2]["value"] == "Ada"
    copied = next(each for each in data["filter"]["buttons"] if "copies" in each)
    assert """q.eq(q.field('author'), 'Ada')""" in copied["copies"]
    data.do("delete_shown")
    assert data["question"]["title"] == "Delete 2 documents from messages?"
    data.do("confirm")
    data.do("unfilter")
    assert [row["author"] for row in data.rows] == ["Bob"]


def test_documents_are_added_edited_and_deleted_under_the_schema(deployment: Deployment, data: Reader) -> None:
    data.do("panel", "add")
    data.do("add_documents", text='[{"author": "Eve", "likes": 1}, {"author": 5}]')
    assert data["notice"]["tone"] == "bad"
    assert deployment.table("messages").count() == 3
    data.do("add_documents", text='[{"author": "Eve", "likes": 1}, {"author": "<i>Mallory</i>"}]')
    assert data.said == "2 documents added to messages."
    assert "editor" not in data
    id = choose(data, 1)
    assert "Edit document" in data.buttons("bar")
    data.do("panel", "edit")
    assert data["editor"]["rows"][0][0]["value"] == '{\n  "author": "Eve",\n  "likes": 1\n}'
    data.do("edit_documents", text='{"author": "Eva"}')
    assert data.rows[1]["author"] == "Eva"
    assert "likes" not in data.rows[1]
    data.do("delete")
    data.do("confirm")
    assert id not in [row["_id"] for row in data.rows]


def test_a_cell_is_edited_as_its_field_has_it(deployment: Deployment, data: Reader) -> None:
    view = data.host.views[-1]
    assert view.editing is not None
    assert {name: field["kind"] for name, field in view.editing.fields.items()} == {
        "author": "string",
        "likes": "number",
    }
    view.editing.commit(data.rows[0], "author", "Zoe")
    assert data.rows[0]["author"] == "Zoe"
    data.do("table", "notes")
    loose = data.host.views[-1].editing
    assert loose is not None
    assert {name: field["kind"] for name, field in loose.fields.items()} == {"text": "string", "size": "any"}
    loose.commit(data.rows[0], "size", '{"now": "an object"}')
    assert data.rows[0]["size"] == {"now": "an object"}
    deployment.transact(lambda db: db.insert("notes", {"colour": "red"}))
    assert len(data.rows) == 2
    data.page.refresh()
    newest = data.host.views[-1].editing
    assert newest is not None
    assert newest.fields["colour"]["kind"] == "string"


def test_all_that_a_filter_shows_is_changed_at_once(data: Reader) -> None:
    data.do("more")
    data.do("apply", field0="likes", operator0="gte", value0="0")
    data.do("panel", "patch")
    data.do("patch_documents", text='{"likes": 100}')
    data.do("confirm")
    assert {row["likes"] for row in data.rows} == {100}


def test_the_schema_in_force_and_the_one_that_documents_suggest(data: Reader) -> None:
    data.do("panel", "schema")
    assert ["by_author", "author, _creationTime", "ready"] in data.cells("indexes") or [
        "by_author",
        "author",
        "ready",
    ] in data.cells("indexes")
    assert data["saved"]["text"].startswith("%%convex_schema\nmessages = define_table(")
    assert "v.string()" in data["inferred"]["text"]
    data.do("table", "notes")
    data.do("panel", "schema")
    assert "saved" not in data
    assert data["inferred"]["text"].startswith("%%convex_schema\nnotes = define_table(")


def test_nothing_yet(opened: Open, deployment: Deployment) -> None:
    page = opened("data").page
    assert isinstance(page, Data)
    assert page.table == "messages"
