from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import convex_nb
from convex_nb import Deployment, HistoryError, InvalidCursorError, InvalidValueError
from convex_nb.engine.wal import sqlite
from convex_nb.testing import VirtualClock
from tests.until import maintained

Copy = dict[tuple[str, str], dict[str, Any]]


def snapshot(dep: Deployment, page_size: int, at: int | None = None) -> tuple[Copy, int]:
    """A copy of all documents, taken page by page, and the moment that it is of."""
    copy: Copy = {}
    page = dep.list_snapshot(at, page_size=page_size)
    while True:
        assert len(page["values"]) <= page_size
        for value in page["values"]:
            assert value["_ts"] == page["snapshot"]
            copy[value["_table"], value["_id"]] = value
        if not page["hasMore"]:
            return copy, page["snapshot"]
        page = dep.list_snapshot(page["snapshot"], page["cursor"], page_size=page_size)


def apply(copy: Copy, values: list[dict[str, Any]]) -> None:
    for value in values:
        key = value["_table"], value["_id"]
        if value.get("_deleted"):
            del copy[key]
        else:
            copy[key] = value


def plain(copy: Copy) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        key: {name: each for name, each in value.items() if name not in ("_ts", "_table")}
        for key, value in copy.items()
    }


def documents(dep: Deployment) -> dict[tuple[str, str], Any]:
    return dep.transact(
        lambda db: {(table, each["_id"]): dict(each) for table in dep.tables for each in db.query(table).collect()}
    )


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "patch", "delete", "import", "replace", "frame"]),
        st.sampled_from(["a", "b"]),
        st.integers(0, 4),
    ),
    max_size=12,
)


def take(dep: Deployment, step: tuple[str, str, int]) -> None:
    kind, table, number = step
    ids = [document["_id"] for document in dep.transact(lambda db: db.query(table).collect())]
    match kind:
        case "insert":
            dep.transact(lambda db: db.insert_many(table, [{"n": n} for n in range(number)]))
        case "patch":
            dep.transact(lambda db: [db.patch(id, {"n": -1}) for id in ids[:number]])
        case "delete":
            dep.transact(lambda db: [db.delete(id) for id in ids[:number]])
        case "import":
            dep.import_table(table, pa.table({"n": range(number)}))
        case "replace":
            dep.import_table(table, pa.table({"n": range(number)}), mode="replace")
        case "frame":
            dep.transact(
                lambda db: [db.patch(id, {"n": -2}) for id in db.insert_many(table, pa.table({"n": range(number)}))]
            )


@settings(max_examples=25)
@given(STEPS, STEPS, STEPS, st.integers(1, 5), st.integers(1, 5))
def test_the_feed_makes_the_new_state_of_an_old_copy(
    before: Any, during: Any, after: Any, page_size: int, delta_size: int
) -> None:
    with convex_nb.open() as dep:
        for step in before:
            take(dep, step)
        moment = dep.timestamp
        old = documents(dep)
        for step in during:
            take(dep, step)
        copy, cursor = snapshot(dep, page_size, moment)
        assert cursor == moment
        assert plain(copy) == old
        left = list(after)
        while True:
            page = dep.document_deltas(cursor, page_size=delta_size)
            apply(copy, page["values"])
            stamps = [value["_ts"] for value in page["values"]]
            assert stamps == sorted(stamps)
            assert all(cursor < stamp <= page["cursor"] for stamp in stamps)
            cursor = page["cursor"]
            # What a cursor stands for is a state that existed.
            assert plain(copy) == plain(snapshot(dep, 100, cursor)[0])
            if left:
                take(dep, left.pop(0))
            elif not page["hasMore"]:
                break
        assert plain(copy) == documents(dep)


@settings(max_examples=15)
@given(STEPS, STEPS, st.integers(1, 5), st.data())
def test_the_feed_of_a_file_that_is_closed_and_opened(
    tmp_path_factory: pytest.TempPathFactory, during: Any, after: Any, page_size: int, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("feed") / "a.convex"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "LOG_RECORDS", 2)
        past: list[tuple[int, Any]] = []
        for step in (None, *during, *after):
            with convex_nb.open(path, durability="relaxed") as dep:
                if step is not None:
                    take(dep, step)
                past.append((dep.timestamp, documents(dep)))
                while dep.work():
                    pass
        with convex_nb.open(path, read_only=data.draw(st.booleans())) as dep:
            for moment, known in past:
                assert plain(snapshot(dep, page_size, moment)[0]) == known
            moment, _ = data.draw(st.sampled_from(past))
            copy, cursor = snapshot(dep, page_size, moment)
            while True:
                page = dep.document_deltas(cursor, page_size=page_size)
                apply(copy, page["values"])
                cursor = page["cursor"]
                assert plain(copy) == dict(past)[cursor]
                if not page["hasMore"]:
                    break
            assert plain(copy) == past[-1][1]


def test_revisions_come_in_their_order() -> None:
    with convex_nb.open() as dep:
        start = dep.timestamp
        id = dep.transact(lambda db: db.insert("t", {"n": 1}))
        dep.transact(lambda db: db.patch(id, {"n": 2}))
        dep.transact(lambda db: db.delete(id))
        page = dep.document_deltas(start, page_size=2)
        assert [value["n"] for value in page["values"]] == [1, 2]
        assert page["hasMore"]
        last = dep.document_deltas(page["cursor"])
        assert last == {
            "values": [{"_id": id, "_ts": dep.timestamp, "_table": "t", "_deleted": True}],
            "hasMore": False,
            "cursor": dep.timestamp,
        }
        assert dep.document_deltas(last["cursor"]) == {"values": [], "hasMore": False, "cursor": dep.timestamp}
        assert dep.document_deltas(start, table_name="other")["values"] == []
        assert [value.get("n") for value in dep.iter_changes(start)] == [1, 2, None]


def test_before_the_first_commit_there_was_nothing() -> None:
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("t", {"n": 1}))
        assert len(dep.changes(timedelta(days=9))) == 1
        assert len(dep.document_deltas(5)["values"]) == 1


def test_a_commit_is_never_split() -> None:
    with convex_nb.open() as dep:
        start = dep.timestamp
        dep.transact(lambda db: db.insert_many("t", [{"n": n} for n in range(5)]))
        dep.transact(lambda db: db.insert("t", {"n": 5}))
        page = dep.document_deltas(start, page_size=2)
        assert (len(page["values"]), page["hasMore"]) == (5, True)


def test_changes_as_a_frame() -> None:
    with convex_nb.open() as dep:
        start = dep.timestamp
        assert list(dep.changes(start).columns) == ["_ts", "_table", "_id", "_deleted"]
        id = dep.transact(lambda db: db.insert("t", {"n": 1}))
        dep.transact(lambda db: db.delete(id))
        frame = dep.changes(start)
        assert list(frame["_deleted"]) == [False, True]
        assert list(frame["_id"]) == [id, id]
        assert frame["n"].isna().tolist() == [False, True]
        assert len(dep.changes(timedelta(seconds=0))) == 0
        assert list(dep.changes(start, table_name="u")["_id"]) == []


def test_what_is_not_kept_and_what_is_no_cursor() -> None:
    clock = VirtualClock(1_700_000_000_000)
    with convex_nb.open(clock=clock, retention=timedelta(seconds=1)) as dep:
        start = dep.timestamp
        for _ in range(600):
            clock.advance(10)
            dep.transact(lambda db: db.insert("t", {}))
        clock.advance(10_000)
        maintained(dep._database)
        for call in (dep.list_snapshot, dep.document_deltas, dep.changes):
            with pytest.raises(HistoryError, match=r"not.* kept any more"):
                call(start)
        page = dep.list_snapshot(page_size=10)
        with pytest.raises(InvalidCursorError, match="goes on in the snapshot"):
            dep.list_snapshot(page["snapshot"] + 1, page["cursor"])
        with pytest.raises(InvalidCursorError, match="no cursor"):
            dep.list_snapshot(cursor="x")
        with pytest.raises(InvalidValueError, match="commit timestamp"):
            dep.document_deltas("x")  # type: ignore[arg-type]
        with pytest.raises(InvalidValueError, match="page_size"):
            dep.document_deltas(start, page_size=0)


def test_the_feed_goes_on_where_a_file_was_closed(tmp_path: Path) -> None:
    with convex_nb.open(tmp_path / "a.convex") as dep:
        dep.transact(lambda db: db.insert("t", {"n": 1}))
        cursor = dep.timestamp
        dep.transact(lambda db: db.insert("t", {"n": 2}))
    with convex_nb.open(tmp_path / "a.convex") as dep:
        dep.transact(lambda db: db.insert("t", {"n": 3}))
        assert [value["n"] for value in dep.document_deltas(cursor)["values"]] == [2, 3]
        assert dep.at(cursor).table("t").count() == 1
