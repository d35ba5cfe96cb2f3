"""Transactions of several kernels and processes could have happened one after another; a kernel that is killed, or a
server that crashes, takes nothing of what was committed, and leaves nothing by halves."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.committer import Committer
from convex_nb.engine.postgres import upkeep
from convex_nb.testing.histories import Execution, find_anomaly
from tests.engine.databases import small_thresholds
from tests.engine.postgres.kernel_process import SharedWorkload
from tests.engine.postgres.kernels import contents, follow, kernels, log_of
from tests.engine.postgres.server import Server

SCRIPT = "tests.engine.postgres.kernel_process"


def start(root: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", SCRIPT, *arguments], stdout=subprocess.PIPE, cwd=root)


def anomaly_of(history: list[Execution]) -> str | None:
    anomaly = find_anomaly(history)
    return None if anomaly is None else str(anomaly)


def test_two_processes_and_three_kernels_of_one_are_serializable(
    uri: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_thresholds(monkeypatch)
    monkeypatch.setattr(upkeep, "LOG_RECORDS", 40)
    with kernels(uri, 3) as databases:
        workload = SharedWorkload(databases, threads=6, transactions=400, seed=1, maintain=True)
        with start(root, "work", uri, "7") as process:
            history = workload.run()
            assert process.stdout is not None
            other: list[Execution] = pickle.loads(process.stdout.read())
        assert process.returncode == 0
        follow(*databases)
        for database in databases:
            # What the thread beside has begun is finished, however quick the others were.
            log_of(database)._upkeep._not_before = 0.0
            while database.maintain(1000):
                pass
        workload._read_everything()
        assert workload.conflicts > 10, "nobody met anybody"
        assert len(history) > 350
        assert len(other) > 100
        assert [log_of(database)._upkeep.failure for database in databases] == [None] * 3
        assert sum([log_of(database)._upkeep.checkpoints for database in databases]) > 0
        assert anomaly_of([*history, *other]) is None
        assert contents(databases[0]) == contents(databases[1]) == contents(databases[2])
        for database in databases:
            database.check()


def without_validation(self: Committer, read_set: object, later: object) -> None:
    """Nothing conflicts."""


def test_without_validation_against_others_it_is_noticed(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Committer, "_check_reads", without_validation)
    with kernels(uri, 2) as databases:
        workload = SharedWorkload(databases, threads=4, transactions=200, seed=2)
        try:
            found = anomaly_of(workload.run())
        except (AssertionError, KeyError):
            found = "an error in the engine"
        assert found is not None


def crash(server: Server) -> None:
    server.restart("immediate")


@pytest.mark.parametrize("disaster", [None, crash], ids=["a kernel is killed", "the server crashes, too"])
def test_what_a_killed_kernel_has_committed_is_there(
    uri: str, server: Server, root: Path, disaster: Callable[[Server], None] | None
) -> None:
    with kernels(uri, 1) as (watching,):
        processes = {name: start(root, "count", uri, name) for name in ("a", "b")}
        said: dict[str, int] = {}
        try:
            for name, process in processes.items():
                assert process.stdout is not None
                for _ in range(20):
                    said[name] = int(process.stdout.readline())
            if disaster is not None:
                disaster(server)
            processes["a"].kill()
            # The other one goes on, whatever happens.
            assert processes["b"].stdout is not None
            for _ in range(20):
                said["b"] = int(processes["b"].stdout.readline())
        finally:
            for name, process in processes.items():
                process.kill()
                rest = process.communicate()[0].decode().splitlines()
                said[name] = max([said.get(name, 0), *map(int, rest)])
        assert said["b"] >= 40
        follow(watching)
        found: dict[str, list[dict[str, Any]]] = contents(watching)
        counted = {each["name"]: each["n"] for each in found["counters"]}
        for name, number in said.items():
            # At most the last one was not said any more; each one is there once, and as a whole.
            assert counted[name] in (number, number + 1)
            numbers = sorted(each["n"] for each in found["said"] if each["name"] == name)
            assert numbers == list(range(1, counted[name] + 1))
        watching.check()
