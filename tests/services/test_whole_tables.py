"""A table that is dropped: for those who read, write, watch, follow, look back and open again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    Deployment,
    InvalidValueError,
    WriteConflictError,
    define_component,
    define_schema,
    define_table,
    query,
    v,
)
from convex_nb.functions.contexts import QueryCtx
from convex_nb.language.ids import decode_id

SCHEMA = define_schema({"kept": define_table({"ref": v.optional(v.id("gone"))})})


@query("rows:all")
def rows(ctx: QueryCtx) -> Any:
    return [each["n"] for each in ctx.db.query("gone").collect()]


def number_of(id: str) -> int:
    return decode_id(id)[0]


def filled(dep: Deployment) -> Sequence[str]:
    dep.push(SCHEMA)
    ids = dep.transact(lambda db: db.insert_many("gone", [{"n": n} for n in range(3)]))
    dep.import_table("gone", [{"n": 3}, {"n": 4}])
    dep.transact(lambda db: db.insert("kept", {"ref": ids[0]}))
    return ids


def test_a_table_is_dropped() -> None:
    with convex_nb.open() as dep:
        ids = filled(dep)
        seen: list[Any] = []
        dep.subscribe(rows, {}, seen.append)
        before = dep.timestamp
        assert dep.drop_table("gone") == 5
        assert (seen, list(dep.tables)) == ([[0, 1, 2, 3, 4], []], ["kept"])
        assert dep.table("gone").indexes == {}
        assert dep.transact(lambda db: db.get("gone", ids[0])) is None
        assert dep.at(before).table("gone").count() == 5
        deltas = dep.document_deltas(before)["values"]
        assert {each["_id"] for each in deltas} >= {*ids}
        assert [each["_deleted"] for each in deltas] == [True] * 5
        assert [each.new for each in dep.revisions("gone", limit=5)] == [None] * 5
        assert [tuple(each)[1:4] for each in dep.audit][-1] == ("table", "gone", "dropped")
        again = dep.transact(lambda db: db.insert("gone", {"n": 9}))
        # The same name is the same table: what referred to it may do so again, and to nothing else.
        assert (number_of(again), seen[-1]) == (number_of(ids[0]), [9])
        dep.check()


def test_tables_are_cleared_as_one_commit() -> None:
    with convex_nb.open() as dep:
        dep.push(define_schema({"named": define_table({"n": v.number()}).index("by_n", ["n"])}))
        dep.transact(lambda db: [db.insert("named", {"n": 1}), db.insert("gone", {"n": 2})])
        before = dep.timestamp
        assert dep.clear_tables("named", "gone", "nowhere") == 2
        assert [name for name, table in dep.tables.items() if not table.count()] == ["gone", "named"]
        assert list(dep.tables["named"].indexes) == ["by_id", "by_creation_time", "by_n"]
        assert {each["_ts"] for each in dep.document_deltas(before)["values"]} == {dep.timestamp}
        after = dep.timestamp
        assert dep.clear_tables("named", "gone") == 0
        assert dep.timestamp == after


def test_what_is_not_dropped() -> None:
    with convex_nb.open() as dep:
        filled(dep)
        for name, message in {
            "kept": "The schema names the table 'kept': nothing was dropped. Push a schema without it first",
            "gome": "There is no table 'gome': nothing was dropped. Did you mean 'gone'?",
            "_storage": "is the name of one",
            "inner//t": "a table of the component 'inner'",
        }.items():
            with pytest.raises(InvalidValueError, match=message.replace("?", r"\?")):
                dep.drop_table(name)
        assert sorted(dep.tables) == ["gone", "kept"]
        dep.push(define_schema({}))
        assert dep.drop_table("kept") == 1


def test_whoever_writes_to_it_meanwhile_begins_again() -> None:
    with convex_nb.open() as dep:
        filled(dep)
        with pytest.raises(WriteConflictError), dep.transaction() as db:
            db.insert("gone", {"n": 9})
            dep.drop_table("gone")
        assert "gone" not in dep.tables

        def insert(db: Any) -> int:
            attempts.append(len(db.query("gone").collect()))
            db.insert("gone", {"n": 1})
            if len(attempts) == 1:
                dep.transact(lambda db: db.insert("gone", {"n": 0}))
                dep.drop_table("gone")
            return len(attempts)

        attempts: list[int] = []
        assert dep.transact(insert) == 2
        assert dep.table("gone").df()["n"].tolist() == [1]


def test_a_table_of_a_component() -> None:
    likes = define_component("likes", schema=define_schema({"named": define_table({"n": v.number()})}))
    with convex_nb.open() as dep:
        dep.use(likes)
        inside = dep.components["likes"]
        inside.transact(lambda db: [db.insert("named", {"n": 1}), db.insert("free", {"n": 2})])
        with pytest.raises(InvalidValueError, match=r'The schema of the component "likes" names .* Install \'likes\''):
            dep.drop_table("named", component="likes")
        with pytest.raises(InvalidValueError, match=r"no table 'fre' of the component .likes.: .*'free'"):
            dep.drop_table("fre", component="likes")
        assert dep.drop_table("free", component="likes") == 1
        assert list(inside.tables) == ["named"]


@pytest.mark.parametrize("kept_by", ["log", "checkpoint", "backup"])
def test_it_stays_dropped_and_its_number_stays_its_own(tmp_path: Path, kept_by: str) -> None:
    path = tmp_path / "a.convex"
    with convex_nb.open(path) as dep:
        ids = filled(dep)
        before = dep.timestamp
        dep.drop_table("gone")
        if kept_by == "backup":
            path = dep.backup(tmp_path / "b.convex")
        elif kept_by == "checkpoint":
            dep.save(tmp_path / "b.convex")
            path = tmp_path / "b.convex"
    with convex_nb.open(path) as dep:
        assert list(dep.tables) == ["kept"]
        other = dep.transact(lambda db: db.insert("other", {}))
        assert number_of(other) != number_of(ids[0])
        dep.push(define_schema({"kept": define_table({"ref": v.id("gone")})}))
        if kept_by == "log":
            assert dep.at(before).table("gone").count() == 5
            assert len([each for each in dep.document_deltas(before)["values"] if each.get("_deleted")]) == 5
        forked = dep.fork()
        assert number_of(forked.transact(lambda db: db.insert("gone", {}))) == number_of(ids[0])
        forked.close()
        dep.check()
