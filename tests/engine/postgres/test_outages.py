"""What a server, a network or a machine can do to a commit that is on its way: it happens once, or not at all, and says
which; nobody else is held up, and nothing is left by halves."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import psycopg
import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.postgres import limited_connection, session
from convex_nb.language.errors import CommitInDoubtError, StorageError
from tests.engine.postgres.kernels import contents, follow, insert, kernels, log_of
from tests.engine.postgres.server import Server
from tests.engine.postgres.test_histories import start
from tests.engine.postgres.test_session import break_next
from tests.until import PATIENCE, until


def name_of(uri: str) -> str:
    return uri.split("@/")[1].split("?")[0]


def numbers(database: Database) -> list[int]:
    return sorted(each["n"] for each in contents(database)["items"])


@contextmanager
def nobody_can_append(uri: str) -> Iterator[None]:
    """Somebody has the row that whoever appends moves, and does not let go of it."""
    with psycopg.connect(uri) as connection:
        connection.execute("select * from convex_nb_head for update")
        yield
        connection.rollback()


def terminate(server: Server, uri: str, which: str = "true") -> int:
    return len(
        server.execute(
            f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name_of(uri)}' "
            f"and application_name = 'convex_nb' and {which}"
        )
    )


WAITING = "wait_event_type = 'Lock'"


def until_one_waits(server: Server, uri: str) -> None:
    until(lambda: server.execute(f"select 1 from pg_stat_activity where datname = '{name_of(uri)}' and {WAITING}"))


def appending(database: Database, number: int) -> tuple[threading.Thread, list[Exception]]:
    """A thread that inserts this number, and what it has raised."""
    failures: list[Exception] = []

    def run() -> None:
        try:
            insert(database, "items", n=number)
        except StorageError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, failures


def test_an_append_that_is_cut_off_while_it_waits_happens_once(uri: str, server: Server) -> None:
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        for number in (1, 2):
            with nobody_can_append(uri):
                thread, failures = appending(a, number)
                until_one_waits(server, uri)
                assert terminate(server, uri, WAITING) == 1
            thread.join()
            assert failures == []
        follow(a, b)
        assert numbers(a) == numbers(b) == [0, 1, 2]
        assert log_of(b).head == 3


def test_a_server_that_has_not_noticed_yet_appends_once(uri: str, server: Server) -> None:
    """The connection is lost here and not there: the statement waits on, and another one like it comes."""
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        with nobody_can_append(uri):
            used = log_of(a)._session
            left = used._connected()
            parameters: list[Any] = []
            execute = left.execute

            def lost(statement: Any, given: Any = None) -> Any:
                parameters.append((statement, given))
                thread = threading.Thread(target=lambda: execute(statement, given))
                thread.start()
                waiting.append(thread)
                until_one_waits(server, uri)
                used._connection = None
                raise psycopg.OperationalError("the connection is lost")

            waiting: list[threading.Thread] = []
            used._connection = Lost(left, lost)  # type: ignore[assignment]
            thread, failures = appending(a, 1)
            while len(server.execute(f"select 1 from pg_stat_activity where {WAITING}")) < 2:
                time.sleep(0.01)
        for each in (thread, *waiting):
            each.join()
        left.close()
        assert (failures, len(parameters)) == ([], 1)
        insert(b, "items", n=2)
        follow(a, b)
        assert numbers(a) == numbers(b) == [0, 1, 2]
        assert log_of(a).head == log_of(b).head == 3


class Lost:
    """A connection that is closed for us, though the server goes on with what it has."""

    closed = True

    def __init__(self, connection: Any, execute: Callable[..., Any]) -> None:
        self._connection = connection
        self.execute = self._closing(execute)
        self.closed = False

    def _closing(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            self.closed = True
            return execute(*given)

        return run


def set_for_all(server: Server, uri: str, setting: str) -> None:
    server.execute(f"alter database {name_of(uri)} set {setting}")


def test_what_the_server_refuses_to_wait_for_is_not_written(
    uri: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE_SECONDS", 0.3)
    with kernels(uri, 1) as (a,):
        insert(a, "items", n=0)
        with nobody_can_append(uri), pytest.raises(StorageError, match=r"lock timeout.*Nothing was written.*pg_locks"):
            insert(a, "items", n=1)
    monkeypatch.setattr(session, "PATIENCE_SECONDS", PATIENCE)
    set_for_all(server, uri, "statement_timeout = '1s'")
    with kernels(uri) as (a, b):
        with nobody_can_append(uri), pytest.raises(StorageError, match=r"statement timeout.*Nothing was written"):
            insert(a, "items", n=2)
        insert(b, "items", n=3)
        insert(a, "items", n=4)
        follow(b)
        assert numbers(a) == numbers(b) == [0, 3, 4]


def test_a_full_disk_takes_nothing_and_leaves_nothing_by_halves(uri: str, server: Server) -> None:
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        server.execute(
            "create function full_disk() returns trigger language plpgsql as $$ begin "
            "raise disk_full using message = 'could not extend file'; end $$; "
            "create trigger full_disk before insert on convex_nb_log execute function full_disk()",
            name_of(uri),
        )
        for push in (False, True):
            with pytest.raises(StorageError, match=r"could not extend file.*Nothing was written.*room on the server"):
                a.push_schema(None, lambda t: t.insert("items", {"n": 1})) if push else insert(a, "items", n=1)
        server.execute("drop trigger full_disk on convex_nb_log", name_of(uri))
        insert(b, "items", n=2)
        follow(a)
        assert numbers(a) == numbers(b) == [0, 2]
        assert log_of(a).head == 2


def test_what_may_have_arrived_is_never_said_to_be_refused(
    uri: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection was lost, and then the server writes nothing any more, as a standby does."""
    monkeypatch.setattr(session, "PATIENCE_SECONDS", 0.3)
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        follow(b)
        set_for_all(server, uri, "default_transaction_read_only = on")
        break_next(a, after=True)
        insert(a, "items", n=1)
        break_next(a, after=False)
        with pytest.raises(CommitInDoubtError, match="Look before you run it again"):
            insert(a, "items", n=2)
        # Nothing is in doubt of what is sent to such a server at first.
        with pytest.raises(StorageError, match=r"read-only transaction.*Nothing was written.*standby"):
            insert(a, "items", n=3)
        follow(a, b)
        assert numbers(a) == numbers(b) == [0, 1]


@pytest.mark.parametrize("when", ["before the commit", "in the middle of it"])
def test_a_process_of_the_server_that_is_suspended_holds_no_commit_for_ever(
    uri: str, server: Server, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    with kernels(uri) as (a, b):
        insert(a, "items", n=0)
        backend = log_of(a)._session._connected().info.backend_pid
        if when == "before the commit":
            with monkeypatch.context() as patch, stopped(backend):
                # Others may be late as well: they are asked again.
                patch.setattr(session, "PATIENCE_SECONDS", PATIENCE)
                patch.setattr(limited_connection, "ANSWER_SECONDS", 1.0)
                insert(a, "items", n=1)
                insert(b, "items", n=2)
        else:
            server.execute(
                "create function linger() returns trigger language plpgsql as $$ begin "
                "perform pg_advisory_xact_lock(7); return new; end $$; "
                "create trigger linger before insert on convex_nb_log for each row execute function linger()",
                name_of(uri),
            )
            monkeypatch.setattr(session, "PATIENCE_SECONDS", 0.3)
            log_of(b)._session._connected().execute("set lock_timeout = 300")
            with psycopg.connect(uri, autocommit=True) as holder:
                holder.execute("select pg_advisory_lock(7)")
                with monkeypatch.context() as patch:
                    log_of(a)._session._connected().execute("set lock_timeout = 0")
                    patch.setattr(limited_connection, "ANSWER_SECONDS", 1.0)
                    thread, failures = appending(a, 1)
                    until_one_waits(server, uri)
                    with stopped(backend):
                        holder.execute("select pg_advisory_unlock(7)")
                        thread.join()
                        (failure,) = failures
                        assert isinstance(failure, CommitInDoubtError)
                        patch.undo()
                        with pytest.raises(StorageError, match=r"lock timeout.*Nothing was written"):
                            insert(b, "items", n=9)
            # Once it goes on, it does what it was at.
            while server.execute("select position from convex_nb_head", name_of(uri)) == [(1,)]:
                time.sleep(0.01)
            insert(b, "items", n=2)
        follow(a, b)
        assert numbers(a) == numbers(b) == [0, 1, 2]
        insert(a, "items", n=3)
        assert numbers(a) == [0, 1, 2, 3]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("what", ["a kernel is suspended", "connections are cut all the time"])
def test_who_counts_counts_each_number_once(uri: str, server: Server, root: Path, what: str) -> None:
    with kernels(uri, 1) as (watching,):
        processes = [start(root, "count", uri, name) for name in ("a", "b")]
        said = [0, 0]

        def hear(which: int, lines: int) -> None:
            output = processes[which].stdout
            assert output is not None
            for _ in range(lines):
                line = output.readline()
                assert line, "it has ended"
                said[which] = int(line)

        try:
            for which in (0, 1):
                hear(which, 5)
            for turn in range(8):
                if what == "a kernel is suspended":
                    with suspended(processes[turn % 2]):
                        hear(1 - turn % 2, 6)
                else:
                    terminate(server, uri)
                    hear(turn % 2, 6)
            for which in (0, 1):
                hear(which, 5)
        finally:
            for process in processes:
                process.kill()
                process.communicate()
        follow(watching)
        for name, number in zip("ab", said, strict=True):
            found = sorted(each["n"] for each in contents(watching)["said"] if each["name"] == name)
            assert found == list(range(1, len(found) + 1))
            assert len(found) >= number
        watching.check()


@contextmanager
def suspended(process: Popen[bytes]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
