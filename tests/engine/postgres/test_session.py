"""Connections that are lost: a commit is in the log once, or not at all, and says which."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.postgres import session
from convex_nb.language.errors import CommitInDoubtError, StorageError
from tests.engine.postgres.kernels import contents, follow, insert, kernels, log_of
from tests.engine.postgres.server import Server
from tests.until import PATIENCE


class Breaking:
    """A connection that is lost at its next append: before the server has it, or after."""

    def __init__(self, connection: psycopg.Connection[Any], *, after: bool) -> None:
        self._connection = connection
        self._after = after

    @property
    def closed(self) -> bool:
        return self._connection.closed

    def execute(self, statement: str, parameters: object = None) -> object:
        if self._after:
            self._connection.execute(statement, parameters)  # type: ignore[call-overload]
        self._connection.close()
        raise psycopg.OperationalError("the connection is lost")

    def close(self) -> None:
        self._connection.close()


def break_next(database: Database, *, after: bool) -> None:
    used = log_of(database)._session
    used._connection = Breaking(used._connected(), after=after)  # type: ignore[assignment]


@pytest.mark.parametrize("after", [False, True])
def test_a_commit_whose_connection_is_lost_happens_once(uri: str, after: bool) -> None:
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        break_next(a, after=after)
        transaction = a.begin()
        transaction.insert("items", {"n": 1})
        commit = a.commit(transaction)
        assert commit is not None
        insert(a, "items", n=2)
        follow(b)
        assert [each["n"] for each in sorted(contents(b)["items"], key=lambda d: d["_creationTime"])] == [0, 1, 2]
        assert contents(a) == contents(b)
        assert a.head.timestamp == b.head.timestamp
        assert log_of(a).head == log_of(b).head == 3


@pytest.mark.parametrize("after", [False, True])
def test_others_that_come_first_while_it_is_lost_change_nothing_of_that(uri: str, after: bool) -> None:
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        follow(b)
        used = log_of(a)._session
        connect = used._connected
        used._connection = Breaking(connect(), after=after)  # type: ignore[assignment]

        def connected() -> Any:
            if used._connection is not None and used._connection.closed:
                insert(b, "items", n="b")
            return connect()

        used._connected = connected  # type: ignore[method-assign]
        insert(a, "items", n="a")
        follow(a, b)
        assert sorted(str(each["n"]) for each in contents(a)["items"]) == ["0", "a", "b"]
        assert contents(a) == contents(b)
        assert log_of(a).head == log_of(b).head == 3


def test_a_commit_in_doubt_says_so_and_is_there_when_the_server_is(
    uri: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE_SECONDS", 0.05)
    with kernels(uri, 1) as (a,):
        insert(a, "items", n=0)
        used = log_of(a)._session
        connect = used._connected
        break_next(a, after=True)
        lost = threading.Event()

        def connected() -> Any:
            if used._connection is not None and used._connection.closed:
                lost.set()
                raise psycopg.OperationalError("connection refused")
            return connect()

        used._connected = connected  # type: ignore[method-assign]
        with pytest.raises(CommitInDoubtError, match="Look before you run it again"):
            insert(a, "items", n=1)
        assert lost.is_set()
        # It does not count here, until it is found.
        assert [each["n"] for each in contents(a)["items"]] == [0]
        with pytest.raises(StorageError, match="Nothing was written"):
            insert(a, "items", n=2)
        used._connected = connect  # type: ignore[method-assign]
        insert(a, "items", n=3)
        assert sorted(each["n"] for each in contents(a)["items"]) == [0, 1, 3]


def test_a_server_that_is_restarted_is_waited_for(uri: str, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PATIENCE_SECONDS", PATIENCE)
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        restart = threading.Thread(target=server.restart, args=("immediate",))
        restart.start()
        for n in range(1, 40):
            insert(a, "items", n=n)
        restart.join()
        insert(a, "items", n=40)
        follow(b)
        assert sorted(each["n"] for each in contents(b)["items"]) == list(range(41))
        assert contents(a) == contents(b)
