"""Pages: adjacent and whole, whatever happens to the documents between two reads of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.database import Database
from convex_nb.engine.reading import planner
from convex_nb.engine.reading.query import OrderedQuery
from convex_nb.engine.reading.reader import DatabaseReader
from convex_nb.language.errors import InvalidCursorError, InvalidValueError
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import import_all, insert_all, make_database, numbers, reading, transact

TABLE = "items"
Make = Callable[[DatabaseReader], OrderedQuery]


def stored(values: Any = (), *, imported: bool = False) -> Database:
    table = define_table(v.any()).index("by_n", ["n"]).index("by_m", ["m"])
    database = make_database(define_schema({TABLE: table}))
    documents = [{"n": n} for n in values]
    if documents and imported:
        import_all(database, TABLE, documents)
    elif documents:
        insert_all(database, TABLE, documents)
    return database


def everything(db: DatabaseReader) -> OrderedQuery:
    return db.query(TABLE)


def page(database: Database, make: Make = everything, journal: str | None = None, **options: Any) -> Any:
    """A page as a function reads it; with the journal of its earlier run, as it is read again."""
    transaction, db = reading(database)
    transaction.journal = journal
    found = make(db).paginate({"numItems": 3, "cursor": None, **options})
    return {**found, "journal": transaction.journal, "ns": numbers(found["page"])}


def test_pages_follow_one_another_to_the_end() -> None:
    database = stored(range(5))
    first = page(database, numItems=2)
    second = page(database, numItems=2, cursor=first["continueCursor"])
    third = page(database, numItems=2, cursor=second["continueCursor"])
    assert [each["ns"] for each in (first, second, third)] == [[0, 1], [2, 3], [4]]
    assert [each["isDone"] for each in (first, second, third)] == [False, False, True]


def test_the_end_is_known_only_when_it_was_met() -> None:
    database = stored(range(2))
    cursor, shown = None, []
    for _ in range(3):
        found = page(database, numItems=1, cursor=cursor)
        cursor = found["continueCursor"]
        shown.append((found["ns"], found["isDone"]))
    assert shown == [([0], False), ([1], False), ([], True)]


def test_an_empty_table_and_one_that_does_not_exist() -> None:
    for make in (everything, lambda db: db.query("nothing")):
        database = stored()
        found = page(database, make)
        assert (found["ns"], found["isDone"], found["splitCursor"], found["pageStatus"]) == ([], True, None, None)
        assert isinstance(found["continueCursor"], str)
        insert_all(database, TABLE, [{"n": 1}])
        again = page(database, make, cursor=found["continueCursor"])
        assert (again["ns"], again["isDone"]) == ([], True)


def test_a_cursor_is_a_place_and_no_document() -> None:
    database = stored(range(5))
    first = page(database)
    last = first["page"][-1]["_id"]
    transact(database, lambda db: db.delete(last))
    assert page(database, cursor=first["continueCursor"])["ns"] == [3, 4]


STEPS = st.lists(
    st.tuples(st.sampled_from(["insert", "delete", "move"]), st.integers(0, 60), st.integers(0, 60)), max_size=8
)


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 60), max_size=14),
    st.lists(STEPS, min_size=1, max_size=4),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_pinned_pages_stay_adjacent_and_whole(
    values: list[int], rounds: list[Any], size: int, reverse: bool, filtered: bool, long: bool
) -> None:
    """Every page is read again after each round of changes: together they hold each document exactly once, in order."""

    def make(db: DatabaseReader) -> OrderedQuery:
        query: OrderedQuery = db.query(TABLE).with_index("by_n").order("desc" if reverse else "asc")
        return query.filter(lambda q: q.field("n") % 2 == 0).filter(lambda q: q.field("n") < 50) if filtered else query

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planner, "LONG", 0 if long else 10**9)
        database = stored(values, imported=long)
        pages: list[Any] = [page(database, make, numItems=size)]
        while not pages[-1]["isDone"]:
            pages.append(page(database, make, numItems=size, cursor=pages[-1]["continueCursor"]))
        for steps in rounds:
            change(database, steps)
            cursor, again = None, []
            for earlier in pages:
                found = page(database, make, earlier["journal"], numItems=size, cursor=cursor)
                assert found["continueCursor"] == earlier["continueCursor"]
                assert found["isDone"] == earlier["isDone"]
                assert split_again(database, make, cursor, found) == found["page"]
                again += found["page"]
                cursor = found["continueCursor"]
            assert again == make(reading(database)[1]).collect()


def split_again(database: Database, make: Make, start: str | None, found: Any) -> list[Any]:
    """A page in two halves, as a client asks for them when it is told to split."""
    middle = found["splitCursor"]
    if middle is None:
        return list(found["page"])
    first = page(database, make, cursor=start, endCursor=middle)
    second = page(database, make, cursor=middle, endCursor=found["continueCursor"])
    return [*first["page"], *second["page"]]


def change(database: Database, steps: Any) -> None:
    transaction = database.begin()
    ids = [document["_id"] for document in transaction.read(TABLE, "by_n", b"", b"\xff")]
    for kind, which, n in steps:
        if kind == "insert":
            transaction.insert(TABLE, {"n": n})
        elif ids and kind == "delete":
            transaction.delete(ids.pop(which % len(ids)))
        elif ids:
            transaction.patch(ids[which % len(ids)], {"n": n})
    database.commit(transaction)


def test_the_split_cursor_lies_inside_the_page() -> None:
    database = stored(range(6))
    assert page(database, numItems=2)["splitCursor"] is None
    found = page(database, numItems=5)
    left = page(database, endCursor=found["splitCursor"])
    right = page(database, cursor=found["splitCursor"], endCursor=found["continueCursor"])
    assert left["ns"]
    assert right["ns"]
    assert left["ns"] + right["ns"] == found["ns"] == [0, 1, 2, 3, 4]
    assert right["continueCursor"] == found["continueCursor"]


def test_an_end_cursor_counts_more_than_the_number() -> None:
    database = stored(range(6))
    end = page(database, numItems=5)["continueCursor"]
    assert page(database, numItems=1, endCursor=end)["ns"] == [0, 1, 2, 3, 4]
    assert page(database, cursor=end, endCursor=page(database, numItems=2)["continueCursor"])["ns"] == []


def test_the_last_page_grows_with_what_is_added() -> None:
    database = stored(range(2))
    first = page(database)
    assert (first["ns"], first["isDone"]) == ([0, 1], True)
    insert_all(database, TABLE, [{"n": 2}, {"n": 3}])
    again = page(database, journal=first["journal"])
    assert (again["ns"], again["isDone"], again["continueCursor"]) == ([0, 1, 2, 3], True, first["continueCursor"])


def test_the_journal_of_other_code_is_not_followed() -> None:
    database = stored(range(5))
    journal = page(database, numItems=2)["journal"]
    assert page(database, lambda db: db.query(TABLE).order("desc"), journal, numItems=3)["ns"] == [4, 3, 2]


@pytest.mark.parametrize(
    ("options", "ns", "status"),
    [
        ({"maximumRowsRead": 2}, [0, 1], "SplitRequired"),
        ({"maximumRowsRead": 9}, [0, 1, 2, 3, 4], None),
        ({"maximumRowsRead": 6}, [0, 1, 2, 3, 4], "SplitRecommended"),
        ({"maximumBytesRead": 1}, [0], "SplitRequired"),
        ({"maximumBytesRead": 10**6}, [0, 1, 2, 3, 4], None),
    ],
)
def test_caps_end_a_page(options: dict[str, Any], ns: list[int], status: str | None) -> None:
    database = stored(range(8))
    found = page(database, numItems=5, **options)
    assert (found["ns"], found["pageStatus"], found["isDone"]) == (ns, status, False)
    following = page(database, numItems=50, cursor=found["continueCursor"])
    assert found["ns"] + following["ns"] == list(range(8))


def test_caps_count_rows_before_the_filter() -> None:
    database = stored(range(9))
    found = page(database, lambda db: db.query(TABLE).filter(lambda q: q.field("n") > 6), maximumRowsRead=4)
    assert (found["ns"], found["isDone"], found["pageStatus"]) == ([], False, "SplitRequired")


def test_a_long_page_should_be_split() -> None:
    found = page(stored(range(6145), imported=True), numItems=7000)
    assert (found["pageStatus"], found["isDone"]) == ("SplitRecommended", True)


OTHERS: list[Make] = [
    lambda db: db.query(TABLE).order("desc"),
    lambda db: db.query(TABLE).with_index("by_n"),
    lambda db: db.query(TABLE).with_index("by_m"),
    lambda db: db.query(TABLE).with_index("by_n", n=1),
    lambda db: db.query(TABLE).with_index("by_n", lambda q: q.gt("n", 1)),
    lambda db: db.query(TABLE).filter(lambda q: q.field("n") > 1),
    lambda db: db.query(TABLE).filter(lambda q: q.field("n") > 2),
    lambda db: db.query("others"),
]


@pytest.mark.parametrize("other", range(len(OTHERS)))
def test_a_cursor_of_another_query_is_refused(other: int) -> None:
    database = stored(range(5))
    cursor = page(database, numItems=2)["continueCursor"]
    for make in (everything, *OTHERS):
        if make is OTHERS[other]:
            own = page(database, make, numItems=1)["continueCursor"]
            for option in ("cursor", "endCursor"):
                with pytest.raises(InvalidCursorError, match="cursor is from a different query") as raised:
                    page(database, make, **{option: cursor})
                assert raised.value.data == {"isConvexSystemError": True, "paginationError": "InvalidCursor"}
                with pytest.raises(InvalidCursorError):
                    page(database, **{option: own})


def test_a_cursor_of_an_index_that_was_changed_since_is_refused() -> None:
    def by_n(db: DatabaseReader) -> OrderedQuery:
        return db.query(TABLE).with_index("by_n")

    database = stored(range(5))
    cursor = page(database, by_n)["continueCursor"]
    database.push_schema(define_schema({TABLE: define_table(v.any()).index("by_n", ["m", "n"])}))
    with pytest.raises(InvalidCursorError):
        page(database, by_n, cursor=cursor)


@pytest.mark.parametrize("cursor", ["", "x", "not base64 ☃", "AAAA", "A" * 40, "=", "null", "é", "A" * 41])
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    options: list[dict[str, Any]] = [{"cursor": cursor}, {"endCursor": cursor}]
    for option in options:
        with pytest.raises(InvalidCursorError, match="not a cursor"):
            page(stored(range(3)), **option)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_cursor_that_was_tampered_with_is_refused(place: int, letter: int) -> None:
    database = stored(range(3))
    cursor = page(database, numItems=1)["continueCursor"]
    # Each cursor is another one, and what is drawn may not depend on that.
    place %= len(cursor) - 1
    others = "ABCDEFGHabcdefgh01234567".replace(cursor[place], "")
    with pytest.raises(InvalidCursorError):
        page(database, cursor=cursor[:place] + others[letter % len(others)] + cursor[place + 1 :])


@pytest.mark.parametrize(
    "options",
    [
        {"numItems": 0},
        {"numItems": -1},
        {"numItems": 1.5},
        {"numItems": float("nan")},
        {"numItems": float("inf")},
        {"numItems": True},
        {"numItems": "3"},
        {"cursor": 5},
        {"endCursor": b"x"},
        {"maximumRowsRead": "many"},
        {"maximumRowsRead": 0},
        {"maximumBytesRead": -5},
        {"num_items": 3},
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        page(stored(range(3)), **options)


def test_the_number_is_asked_for() -> None:
    _, db = reading(stored(range(3)))
    with pytest.raises(InvalidValueError, match="Must request at least 1 document while paginating"):
        db.query(TABLE).paginate(num_items=0)
    with pytest.raises(InvalidValueError, match="numItems"):
        db.query(TABLE).paginate({"cursor": None})


def test_one_query_is_paged_in_one_function() -> None:
    _, db = reading(stored(range(3)))
    db.query(TABLE).paginate(num_items=1)
    with pytest.raises(InvalidValueError, match="ran multiple paginated queries"):
        db.query(TABLE).paginate(num_items=1)


def test_names_or_the_wire_s_dict() -> None:
    database = stored(range(30))
    _, db = reading(database)
    assert len(db.query(TABLE).paginate()["page"]) == 20
    _, db = reading(database)
    first = db.query(TABLE).paginate(num_items=2)
    _, db = reading(database)
    second = db.query(TABLE).paginate(num_items=2.0, cursor=first["continueCursor"])  # type: ignore[arg-type]
    assert numbers(second["page"]) == [2, 3]
    assert page(database, numItems=2.0, id=5)["ns"] == [0, 1]


def test_a_page_depends_on_its_part_of_the_table() -> None:
    database = stored(range(9))
    transaction, db = reading(database)
    first = db.query(TABLE).paginate(num_items=3)
    (interval,) = transaction.read_set
    key_of = database.head.tables[TABLE].indexes[1].key_of
    inside = [interval.lo <= key_of(document) < interval.hi for document in db.query(TABLE).collect()]
    assert inside == [True] * 3 + [False] * 6
    assert len(first["page"]) == 3
