"""Several kernels over one log: everybody has the same commits in the same order, whoever made them."""

from __future__ import annotations

from itertools import pairwise

import pytest

from convex_nb.engine.commit import Commit
from convex_nb.engine.committer import Conflict
from convex_nb.engine.postgres import upkeep
from convex_nb.engine.postgres.opening import open_shared_database
from convex_nb.engine.wal.protocol import SharedLog
from convex_nb.language.errors import ReadOnlyError, StorageError
from tests.engine.databases import import_all, items_schema
from tests.engine.postgres.kernels import contents, follow, insert, kernels, log_of
from tests.engine.postgres.server import Server


def test_what_one_commits_the_others_have(uri: str) -> None:
    with kernels(uri, 3) as (a, b, c):
        assert isinstance(a.log, SharedLog)
        heard: list[Commit] = []
        b.on_commit.append(heard.append)
        ids = [insert(database, "items", n=n) for n, database in enumerate([a, b, c, a, c, b])]
        follow(a, b, c)
        assert contents(a) == contents(b) == contents(c)
        assert {each["_id"] for each in contents(a)["items"]} == set(ids)
        # Each of them is heard of once, in order, with a timestamp that only grows.
        assert [commit.writes[0].id for commit in heard] == ids
        assert all(first.timestamp < second.timestamp for first, second in pairwise(heard))
        assert a.head.timestamp == b.head.timestamp == c.head.timestamp
    with kernels(uri, 1) as (again,):
        assert {each["_id"] for each in contents(again)["items"]} == set(ids)
        again.check()


def test_who_read_what_another_one_changed_conflicts_and_nobody_else(uri: str) -> None:
    with kernels(uri) as (a, b):
        first, second = insert(a, "items", n=1), insert(a, "items", n=2)
        follow(b)
        patch = b.begin()
        patch.patch(first, {"n": patch.get(first)["n"] + 10})  # type: ignore[index]
        other = b.begin()
        other.patch(second, {"m": 1})
        transaction = a.begin()
        transaction.patch(first, {"n": 100})
        a.commit(transaction, "theirs")
        # Neither is known here before the log refuses the first append.
        with pytest.raises(Conflict) as caught:
            b.commit(patch, "ours")
        assert (caught.value.table, caught.value.document_id, caught.value.source) == ("items", first, "theirs")
        commit = b.commit(other, "ours")
        assert commit is not None
        follow(a)
        assert contents(a) == contents(b)
        assert [each.get("m") for each in contents(a)["items"] if each["_id"] == second] == [1]


def test_a_table_that_one_drops_is_dropped_for_the_others(uri: str) -> None:
    with kernels(uri) as (a, b):
        id = insert(a, "items", n=1)
        follow(b)
        late = b.begin()
        late.insert("items", {"n": 2})
        drop = a.begin()
        drop.drop("items")
        a.commit(drop, "drop")
        # Its id was made for a table that is not there any more.
        with pytest.raises(Conflict):
            b.commit(late, "ours")
        assert contents(a) == contents(b) == {}
        assert id not in [insert(b, "others", n=1), insert(b, "items", n=3)]
        follow(a)
        assert contents(a) == contents(b)
        assert a.table_names == b.table_names


def test_tables_that_two_kernels_begin_at_once_have_numbers_of_their_own(uri: str) -> None:
    with kernels(uri) as (a, b):
        transactions = [(database, database.begin()) for database in (a, b)]
        for (_, transaction), table in zip(transactions, ("ours", "theirs"), strict=True):
            transaction.insert(table, {"n": 1})
        a.commit(transactions[0][1])
        with pytest.raises(Conflict):
            b.commit(transactions[1][1])
        insert(b, "theirs", n=1)
        insert(b, "ours", n=2)
        follow(a)
        numbers = {name: state.number for name, state in a.head.tables.items()}
        assert len(set(numbers.values())) == 2
        assert numbers == {name: state.number for name, state in b.head.tables.items()}
        assert contents(a) == contents(b)


def test_a_push_is_seen_by_others_and_what_they_were_at_begins_anew(uri: str) -> None:
    with kernels(uri) as (a, b):
        insert(a, "items", n=1)
        follow(b)
        pushes: list[str] = []
        b.on_push.append(lambda: pushes.append("b"))
        a.on_push.append(lambda: pushes.append("a"))
        transaction = b.begin()
        transaction.insert("items", {"n": 2})
        assert a.push_schema(items_schema("m"))
        with pytest.raises(Conflict):
            b.commit(transaction)
        assert b.head.schema == items_schema("m")
        assert pushes == ["b"]
        # Others were first here, too: the push is made on what they have done.
        insert(a, "items", n=3)
        assert b.push_schema(items_schema("n"))
        follow(a)
        assert a.head.schema == b.head.schema == items_schema("n")
        assert contents(a) == contents(b)
        a.check()
        b.check()


def test_whole_segments_and_long_commits_arrive(uri: str) -> None:
    with kernels(uri) as (a, b):
        import_all(a, "items", [{"n": n, "text": "x" * (n % 50)} for n in range(2000)])
        transaction = a.begin()
        transaction.insert("items", {"text": "y" * 900_000})
        transaction.insert("items", {"text": "z" * 900_000})
        a.commit(transaction)
        follow(b)
        assert len(b.head.tables["items"]) == 2002
        assert contents(a) == contents(b)
        b.check()


def test_a_kernel_that_slept_for_too_long_goes_on_from_the_newest_checkpoint(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "LOG_RECORDS", 3)
    with kernels(uri, 2, retention=0) as (a, b):
        insert(a, "items", n=0)
        follow(b)
        transaction = b.begin()
        transaction.insert("items", {"n": 100})
        for n in range(10):
            insert(a, "items", n=n)
            while a.maintain(1000):
                pass
        pushes: list[int] = []
        b.on_push.append(lambda: pushes.append(b.head.timestamp))
        with pytest.raises(Conflict):
            b.commit(transaction)
        assert pushes, "nobody was told that everything may be different"
        follow(b)
        assert contents(a) == contents(b)
        assert b.history.floor == pushes[0]
        insert(b, "items", n=101)
        follow(a)
        assert contents(a) == contents(b)
        b.check()


def test_a_server_that_was_set_back_is_noticed(uri: str, server: Server) -> None:
    with kernels(uri, 1) as (a,):
        insert(a, "items", n=1)
        insert(a, "items", n=2)
        name = uri.split("@/")[1].split("?")[0]
        server.execute("update convex_nb_head set position = 1; delete from convex_nb_log where position = 2", name)
        with pytest.raises(StorageError, match="set back to an earlier state"):
            insert(a, "items", n=3)
        with pytest.raises(StorageError, match="set back to an earlier state"):
            follow(a)


def test_one_that_only_looks_on_follows_and_changes_nothing(uri: str) -> None:
    with pytest.raises(StorageError, match="There is no deployment in"):
        open_shared_database(uri, read_only=True)
    with kernels(uri, 1) as (a,):
        insert(a, "items", n=1)
        watcher = open_shared_database(uri, read_only=True)
        insert(a, "items", n=2)
        follow(watcher)
        assert contents(watcher) == contents(a)
        assert log_of(watcher).kernel not in log_of(a).kernels()
        transaction = watcher.begin()
        transaction.insert("items", {"n": 3})
        with pytest.raises(ReadOnlyError, match="nothing was written"):
            watcher.commit(transaction)
        assert not watcher.maintain(10)
        watcher.close()
