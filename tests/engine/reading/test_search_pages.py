"""Pages of a search that is followed: neighbours stay adjacent."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.reading.pagination import Page
from convex_nb.engine.reading.reader import DatabaseReader
from convex_nb.engine.reading.search_query import SearchQuery
from convex_nb.language.errors import InvalidCursorError, InvalidValueError
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import insert_all, make_database, numbers, transact

TABLE = "items"


@pytest.fixture
def database() -> Database:
    table = define_table(v.any()).search_index("by_text", "text", ["n"])
    database = make_database(define_schema({TABLE: table}))
    insert_all(database, TABLE, [{"text": "a", "n": n} for n in range(6)])
    return database


def search(db: DatabaseReader, text: str = "a") -> SearchQuery:
    return db.query(TABLE).with_search_index("by_text", lambda q: q.search("text", text))


def page(database: Database, *, journal: str | None = None, text: str = "a", **options: Any) -> Page:
    transaction = database.begin(writable=False)
    transaction.journal = journal
    return search(DatabaseReader(transaction), text).paginate(options)


def test_pages_keep_their_ends(database: Database) -> None:
    first = page(database, numItems=2)
    second = page(database, numItems=2, cursor=first["continueCursor"])
    assert [numbers(each["page"]) for each in (first, second)] == [[5, 4], [3, 2]]
    # The newest of equally good ones comes first: the first page grows, and the second begins where it did.
    insert_all(database, TABLE, [{"text": "a", "n": 6}])
    again = page(database, numItems=2, journal=first["continueCursor"])
    pinned = page(database, numItems=2, endCursor=first["continueCursor"])
    assert numbers(again["page"]) == numbers(pinned["page"]) == [6, 5, 4]
    assert again["continueCursor"] == first["continueCursor"]
    assert not again["isDone"]
    transact(database, lambda db: [db.delete(each["_id"]) for each in first["page"]])
    shrunk = page(database, numItems=2, journal=first["continueCursor"])
    rest = page(database, numItems=9, cursor=first["continueCursor"])
    assert sorted(numbers(shrunk["page"] + rest["page"])) == [0, 1, 2, 3, 6]


def test_the_last_full_page_does_not_know_that_it_is(database: Database) -> None:
    last = page(database, numItems=6)
    assert not last["isDone"]
    empty = page(database, numItems=6, cursor=last["continueCursor"])
    assert (empty["page"], empty["isDone"]) == ([], True)
    done = page(database, numItems=7)
    assert done["isDone"]
    beyond = page(database, numItems=7, cursor=done["continueCursor"])
    assert (beyond["page"], beyond["isDone"]) == ([], True)
    assert numbers(page(database, numItems=2, journal=done["continueCursor"])["page"]) == [5, 4, 3, 2, 1, 0]


def test_a_page_is_split_where_it_was_read_too_far(database: Database) -> None:
    split = page(database, numItems=4)["splitCursor"]
    assert split is not None
    assert numbers(page(database, numItems=4, cursor=split)["page"]) == [3, 2, 1, 0]
    capped = page(database, numItems=6, maximumRowsRead=2)
    assert (numbers(capped["page"]), capped["pageStatus"], capped["isDone"]) == ([5, 4], "SplitRequired", False)


def test_a_cursor_is_of_one_search(database: Database) -> None:
    cursor = page(database, numItems=2)["continueCursor"]
    assert numbers(page(database, numItems=2, cursor=cursor, text="A!")["page"]) == [3, 2]
    with pytest.raises(InvalidCursorError, match="different query"):
        page(database, numItems=2, cursor=cursor, text="b")
    with pytest.raises(InvalidCursorError, match="not a cursor"):
        page(database, numItems=2, cursor="x")
    # The journal of other code is no end.
    assert numbers(page(database, numItems=2, journal=cursor, text="a a")["page"]) == [5, 4]


def test_one_page_in_a_function(database: Database) -> None:
    db = DatabaseReader(database.begin(writable=False))
    search(db).paginate(2)
    with pytest.raises(InvalidValueError, match="single paginated query"):
        search(db).paginate(2)
