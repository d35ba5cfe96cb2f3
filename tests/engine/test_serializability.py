"""Concurrent transactions could have happened one after another; and the checker would notice if not."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from convex_nb.engine.commit import Entry
from convex_nb.engine.database import Database
from convex_nb.engine.history import History
from convex_nb.engine.read_set import Interval, ReadSet
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.wal.memory import MemoryLog
from convex_nb.testing.histories import find_anomaly
from convex_nb.testing.workloads import Workload
from tests.engine.databases import small_thresholds


class FailingLog(MemoryLog):
    """The disk is full now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = random.Random(seed)

    def append(self, expected_head: int, entries: Sequence[Entry]) -> Sequence[int]:
        if self._dice.random() < 0.05 and expected_head > 1:
            raise OSError("No space left on device")
        return super().append(expected_head, entries)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fails", [False, True])
def test_transactions_are_serializable(monkeypatch: pytest.MonkeyPatch, seed: int, fails: bool) -> None:
    small_thresholds(monkeypatch)
    database = Database(log=FailingLog(seed) if fails else None)
    workload = Workload(database, threads=6, transactions=800, seed=seed, maintain=True)
    history = workload.run()
    assert workload.operations > 1600
    assert workload.conflicts > 10, "nobody met anybody"
    assert bool(workload.failures) is fails
    anomaly = find_anomaly(history)
    assert anomaly is None, str(anomaly)
    database.check()


def broken(monkeypatch: pytest.MonkeyPatch, tries: int = 6) -> str | None:
    """The kind of anomaly that is found in what an engine does that has been broken on purpose."""
    for seed in range(tries):
        workload = Workload(Database(), threads=6, transactions=400, seed=seed)
        try:
            anomaly = find_anomaly(workload.run())
        except (AssertionError, KeyError) as error:
            return f"{type(error).__name__} in the engine"
        if anomaly is not None:
            return anomaly.kind
    return None


def test_without_validation_it_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadSet, "conflict", lambda self, commits: None)
    assert broken(monkeypatch) in ("cycle", "forked list", "intermediate read")


def test_without_validation_against_ranges_phantoms_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points are still validated: updates are not lost, but what two transactions missed is."""
    merged = ReadSet.merged

    def without_ranges(self: ReadSet) -> dict[tuple[str, str], tuple[list[bytes], list[bytes]]]:
        return {where: spans for where, spans in merged(self).items() if where[0] != "points"}

    monkeypatch.setattr(ReadSet, "merged", without_ranges)
    assert broken(monkeypatch) == "cycle"


def test_validation_that_forgets_what_is_pending_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits on their way to a slow log have to be validated against as well."""
    import time

    class SlowLog(MemoryLog):
        def append(self, expected_head: int, entries: Sequence[Entry]) -> Sequence[int]:
            time.sleep(0.0005)
            return super().append(expected_head, entries)

    since = History.since
    monkeypatch.setattr(History, "since", lambda self, when: [c for c in since(self, when) if c.published])
    for seed in range(6):
        workload = Workload(Database(log=SlowLog()), threads=6, transactions=300, seed=seed)
        if find_anomaly(workload.run()) is not None:
            return
    pytest.fail("nothing was noticed")


def test_a_reader_that_sees_half_a_commit_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot in which one of the tables is that of an older one."""
    from convex_nb.engine.transaction import Transaction

    table = Transaction.table
    older: dict[str, Snapshot] = {}

    def mixed(self: Transaction, name: str) -> object:
        state = table(self, name)
        if not self.writable and name == "registers":
            last = older.get("last")
            older["last"] = self.snapshot
            if last is not None and last.timestamp < self.snapshot.timestamp:
                return last.tables.get(name)
        return state

    monkeypatch.setattr(Transaction, "table", mixed)
    assert broken(monkeypatch) == "cycle"


def test_reads_that_record_too_little_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Absence is not recorded: a range ends with the last document that it has."""
    from convex_nb.engine.transaction import Transaction

    record = Transaction._record

    def less(self: Transaction, interval: Interval | None) -> None:
        if interval is not None and interval.table == "points":
            interval = interval._replace(hi=interval.lo + b"\x00")
        record(self, interval)

    monkeypatch.setattr(Transaction, "_record", less)
    assert broken(monkeypatch) == "cycle"
