from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

import convex_nb
from convex_nb import InvalidIdError
from convex_nb.testing import VirtualClock
from tests.until import maintained


def test_the_versions_of_a_document_newest_first() -> None:
    with convex_nb.open() as dep:
        id = dep.transact(lambda db: db.insert("t", {"n": 1}))
        other = dep.transact(lambda db: db.insert("t", {"n": 9}))
        dep.transact(lambda db: db.patch(id, {"n": 2}))
        dep.transact(lambda db: db.delete(id))
        found = dep.revisions("t", id)
        assert [(each.old and each.old["n"], each.new and each.new["n"]) for each in found] == [
            (2, None),
            (1, 2),
            (None, 1),
        ]
        assert [each.source for each in found] == ["transaction"] * 3
        assert {each.id for each in dep.revisions("t")} == {id, other}
        assert [each.id for each in dep.revisions(limit=2)] == [id, id]
        assert dep.revisions("u") == []
        with pytest.raises(InvalidIdError):
            dep.revisions("t", "x")


def test_imports_and_what_they_replaced() -> None:
    with convex_nb.open() as dep:
        dep.import_table("t", pa.table({"n": [1, 2]}))
        (first, _) = dep.table("t").df()["_id"]
        dep.import_table("t", pa.table({"n": [3]}), mode="replace")
        assert [(each.old is None, each.new and each.new["n"]) for each in dep.revisions("t")] == [
            (True, 3),
            (False, None),
            (False, None),
            (True, 2),
            (True, 1),
        ]
        assert len(dep.revisions("t", first)) == 2


def test_a_version_that_is_older_than_what_is_kept() -> None:
    clock = VirtualClock(1_700_000_000_000)
    with convex_nb.open(clock=clock, retention=timedelta(seconds=1)) as dep:
        id = dep.transact(lambda db: db.insert("t", {"n": 1}))
        for _ in range(600):
            clock.advance(100)
            dep.transact(lambda db: db.insert("u", {}))
        maintained(dep._database)
        dep.transact(lambda db: db.patch(id, {"n": 2}))
        assert [(each.source, each.new and each.new["n"]) for each in dep.revisions("t", id)] == [
            ("transaction", 2),
            ("(before)", 1),
        ]
