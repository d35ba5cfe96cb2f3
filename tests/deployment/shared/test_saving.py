"""A deployment moves to PostgreSQL and away from it: with its files, what it has scheduled, and who follows it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import convex_nb
from convex_nb import ActionCtx, Deployment, MutationCtx, cron_jobs, mutation
from convex_nb.deployment.following import Following
from convex_nb.engine.files.moving import Move
from convex_nb.engine.postgres import saving
from convex_nb.engine.postgres.postgres_log import PostgresLog
from convex_nb.language.errors import CommitInDoubtError, StorageError, StorageExistsError
from tests.deployment.shared.test_following import table
from tests.engine.postgres.kernels import kernels, log_of
from tests.engine.postgres.server import Server
from tests.functions.apps import SCHEMA, add_task, list_tasks, open_app
from tests.until import until

BYTES = b"x" * 1_200_000


def texts(deployment: Deployment) -> list[str]:
    return sorted(each["text"] for each in table(deployment, "tasks"))


def kinds(deployment: Deployment) -> list[str]:
    return sorted(job["state"]["kind"] for job in deployment.schedules.values())


def test_it_goes_on_there_and_is_shared_and_comes_back(uri: str, tmp_path: Path) -> None:
    released, began = threading.Event(), threading.Event()

    @convex_nb.action("jobs:wait")
    def wait(ctx: ActionCtx) -> None:
        began.set()
        released.wait(60)

    @mutation("jobs:plan")
    def plan(ctx: MutationCtx) -> None:
        ctx.scheduler.run_after(0, wait, {})
        ctx.scheduler.run_after(3_600_000, wait, {})

    crons = cron_jobs()
    crons.interval("hourly", {"hours": 1}, wait)
    with open_app() as dep:
        dep.register(wait, plan)
        dep.push(crons=crons)
        dep.import_table("tasks", [{"text": f"{n:03}", "done": False} for n in range(300)])
        file = dep.files.store(BYTES)
        heard: list[int] = []
        dep.subscribe("tasks:list", {}, lambda tasks: heard.append(len(tasks)))
        dep.mutation("jobs:plan")
        # The first run of the cron, and the job: both go on while everything moves.
        until(lambda: began.is_set() and kinds(dep) == ["inProgress", "pending"])
        moment = dep.timestamp
        dep.save(uri)
        assert (dep.path, dep.place) == (None, "postgresql://owner@/" + uri.split("@/")[1].split("?")[0])
        with pytest.raises(StorageExistsError, match="left as it is"):
            dep.save(uri)
        with convex_nb.open(uri) as other:
            other.register(list_tasks, add_task)
            # What the first one is at is not over for that.
            assert kinds(other) == ["inProgress", "pending"]
            assert other.schedules.crons["hourly"]["state"]["kind"] == "inProgress"
            assert (other.schema, list(other.schedules.crons), other.files[file].read()) == (SCHEMA, ["hourly"], BYTES)
            assert texts(other) == texts(dep)
            other.mutation("tasks:add", {"text": "theirs"})
            until(lambda: heard == [300, 301])
            dep.mutation("tasks:add", {"text": "ours"})
            until(lambda: texts(other) == texts(dep))
            assert len(dep.at(moment).table("tasks").df()) == 300
            other.check()
            # It goes on in a file of its own, in which nobody else is at anything.
            theirs = other.transact(lambda db: db.query("tasks").count())
            other.save(tmp_path / "theirs.convex")
            other.mutation("tasks:add", {"text": "apart"})
            assert (theirs, table(other, "tasks")[-1]["text"]) == (302, "apart")
            assert kinds(other) == ["failed", "pending"]
            assert other.files[file].read() == BYTES
        dep.save(tmp_path / "ours.convex")
        assert kinds(dep) == ["inProgress", "pending"]
        released.set()
        until(lambda: kinds(dep) == ["pending", "success"])
        assert "apart" not in texts(dep)
        dep.check()
    with convex_nb.open(uri) as again:
        assert kinds(again) == ["failed", "pending"]
        assert again.table("tasks").count() == 302
        again.check()


@pytest.mark.parametrize("hears_of_it", [False, True])
def test_who_opens_it_at_once_finds_the_one_who_saved_it(
    uri: str, monkeypatch: pytest.MonkeyPatch, hears_of_it: bool
) -> None:
    # The thread that follows others and says that this kernel is there is late; so may its first word be.
    monkeypatch.setattr(Following, "start", lambda _: None)
    with open_app() as dep, monkeypatch.context() as patch:
        if not hears_of_it:
            patch.setattr(PostgresLog, "begin", lambda _: None)
        dep.save(uri)
        patch.undo()
        with kernels(uri, 1) as (other,):
            assert log_of(other).kernels() == {log_of(dep._database).kernel, log_of(other).kernel}
    if hears_of_it:
        with kernels(uri, 1) as (other,):
            assert log_of(other).kernels() == {log_of(other).kernel}, "who has closed it is gone"


class Losing:
    """A connection that is lost when it is to commit: before the server hears of it, or after."""

    def __init__(self, connection: Any, *, after: bool) -> None:
        self._connection = connection
        self._after = after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: Any, *given: Any) -> Any:
        if statement != "commit":
            return self._connection.execute(statement, *given)
        if self._after:
            self._connection.execute(statement)
        self._connection.close()
        raise psycopg.OperationalError("the connection is lost")


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_that_is_lost_at_the_end_is_looked_for(
    uri: str, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    commit = saving._commit

    def losing(address: Any, connection: Any, file: str) -> None:
        commit(address, Losing(connection, after=after), file)  # type: ignore[arg-type]

    with monkeypatch.context() as patch, open_app() as dep:
        patch.setattr(saving, "_commit", losing)
        dep.mutation("tasks:add", {"text": "one"})
        if after:
            dep.save(uri)
        else:
            with pytest.raises(StorageError, match=r"Could not save to PostgreSQL.*Nothing was written"):
                dep.save(uri)
        assert (dep.place is None) is not after
        dep.mutation("tasks:add", {"text": "two"})
    with convex_nb.open(uri) as dep:
        assert (texts(dep) if after else list(dep.tables)) == (["one", "two"] if after else [])


def test_nothing_is_there_before_everything_is(server: Server, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = uri.split("@/")[1].split("?")[0]
    copy = Move.copy

    def and_then(happens: Callable[[], object], move: Move) -> None:
        copy(move)
        happens()

    with open_app() as dep:
        dep.mutation("tasks:add", {"text": "one"})
        file = dep.files.store(BYTES)

        def cut() -> None:
            server.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")

        monkeypatch.setattr(Move, "copy", lambda move: and_then(cut, move))
        with pytest.raises(StorageError, match="Nothing was written"):
            dep.save(uri)
        assert server.execute("select count(*) from pg_class where relname like 'convex%'", name) == [(0,)]
        assert dep.place is None
        assert dep.files[file].read() == BYTES

        def commit_more() -> None:
            assert server.execute("select count(*) from pg_class where relname like 'convex%'", name) == [(0,)]
            dep.mutation("tasks:add", {"text": "two"})
            dep.files.store(b"late")

        monkeypatch.setattr(Move, "copy", lambda move: and_then(commit_more, move))
        dep.save(uri)
        with convex_nb.open(uri, read_only=True) as other:
            assert texts(other) == ["one", "two"]
            assert sorted(len(each.read()) for each in other.files.values()) == [4, len(BYTES)]


def test_what_cannot_be_found_out_is_said(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def losing(address: Any, connection: Any, file: str) -> None:
        connection.close()
        monkeypatch.setattr(type(address), "connect", refused)
        assert saving._is_there(address, file)

    def refused(address: Any) -> Any:
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(saving, "_commit", losing)
    monkeypatch.setattr(saving, "PATIENCE_SECONDS", 0.0)
    with open_app() as dep:
        with pytest.raises(CommitInDoubtError, match="This deployment goes on where it was"):
            dep.save(uri)
        dep.mutation("tasks:add", {"text": "one"})
