"""Opening: what is not there, not allowed or not known is said, and nothing is changed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.postgres.opening import open_shared_database
from convex_nb.language.errors import StorageError, StorageVersionError
from tests.engine.postgres.kernels import insert, kernels
from tests.engine.postgres.server import Server


def name_of(uri: str) -> str:
    return uri.split("@/")[1].split("?")[0]


def test_a_wrong_password_an_unknown_database_and_nobody_there(server: Server, uri: str, tmp_path: Path) -> None:
    stranger = server.uri(name_of(uri), user="stranger", password="Tr0ub4dor")
    nobody = f"postgresql://ada:Tr0ub4dor@/app?host={tmp_path}"
    for address, said in [
        (stranger, "password authentication failed.*~/.pgpass"),
        (server.uri("nowhere"), 'database "nowhere" does not exist.*createdb nowhere'),
        (nobody, "Is the server running"),
    ]:
        with pytest.raises(StorageError, match=f"(?s)Could not open it.*{said}") as caught:
            open_shared_database(address)
        assert "Tr0ub4dor" not in str(caught.value)
        assert "Nothing was written" in str(caught.value)


def test_a_newer_format_and_an_older_one_are_refused(server: Server, uri: str) -> None:
    with kernels(uri, 1) as (a,):
        insert(a, "items", n=1)
    for version, said in [(2, "a newer convex_nb"), (0, "an older convex_nb")]:
        server.execute(f"update convex_nb_root set format = {version}", name_of(uri))
        with pytest.raises(StorageVersionError, match=said) as caught:
            open_shared_database(uri, read_only=True)
        assert (caught.value.version, caught.value.newest) == (version, 1)


def test_a_role_that_may_only_read_is_told_so(server: Server, uri: str) -> None:
    reader = server.uri(name_of(uri), user="reader")
    with pytest.raises(StorageError, match="permission denied"):
        open_shared_database(reader)
    with kernels(uri, 1) as (a,):
        insert(a, "items", n=1)
        server.execute("grant select on all tables in schema public to reader", name_of(uri))
        with pytest.raises(StorageError, match=r"the role reader may not write.*`read_only=True`"):
            open_shared_database(reader)
        watcher = open_shared_database(reader, read_only=True)
        assert len(watcher.head.tables["items"]) == 1
        watcher.close()


def test_two_that_begin_at_once_begin_the_same(uri: str) -> None:
    opened: list[Database] = []
    barrier = threading.Barrier(3)

    def begin() -> None:
        barrier.wait()
        opened.append(open_shared_database(uri))

    threads = [threading.Thread(target=begin) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(opened) == 3
        for n, database in enumerate(opened):
            insert(database, "items", n=n)
        assert len(opened[-1].head.tables["items"]) == 3
    finally:
        for database in opened:
            database.close()


def test_retention_is_what_somebody_said_last(uri: str) -> None:
    assert [open_and_close(uri, retention) for retention in (None, 7 * 10**9, None, 9 * 10**9, None)] == [
        600 * 10**9,
        7 * 10**9,
        7 * 10**9,
        9 * 10**9,
        9 * 10**9,
    ]


def open_and_close(uri: str, retention: int | None) -> int:
    with kernels(uri, 1, retention=retention) as (database,):
        return database.history.retention


def test_a_search_path_makes_room_for_several_deployments(server: Server, uri: str) -> None:
    server.execute("create schema one; create schema two", name_of(uri))
    one, two = (f"{uri}&options=-csearch_path%3D{schema}" for schema in ("one", "two"))
    with kernels(one, 1) as (a,), kernels(two, 1) as (b,):
        insert(a, "items", n=1)
        assert not b.head.tables
        assert open_and_close(uri, None)
