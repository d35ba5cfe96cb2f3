"""A kernel in a process of its own. `python kernel_process.py work URI SEED` runs transactions and pickles what they
saw; `... count URI NAME` counts up in a document of its own, a commit each, and says each number once it is in."""

from __future__ import annotations

import itertools
import pickle
import sys
import threading
import time
from typing import Any

from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.postgres.opening import open_shared_database
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.transaction import Transaction
from convex_nb.engine.wal.protocol import SharedLog
from convex_nb.testing.workloads import Workload


class Kernels:
    """Databases over one log, as one: each thread works on one of them, which it has follow the others first."""

    def __init__(self, databases: list[Database]) -> None:
        self._databases = databases
        self._turns = itertools.count()
        self._mine = threading.local()

    def _database(self) -> Database:
        if not hasattr(self._mine, "database"):
            self._mine.database = self._databases[next(self._turns) % len(self._databases)]
        database: Database = self._mine.database
        assert isinstance(database.log, SharedLog)
        # What is read is then as new as what others were told is committed: that much is checked, too.
        while database.follow(database.log):
            pass
        return database

    @property
    def head(self) -> Snapshot:
        return self._database().head

    def push_schema(self, schema: Any) -> bool:
        return self._database().push_schema(schema)

    def begin(self, *, writable: bool = True) -> Transaction:
        return self._database().begin(writable=writable)

    def commit(self, transaction: Transaction, source: str) -> object:
        return transaction.database.commit(transaction, source)

    def maintain(self, budget_ms: float) -> bool:
        return sum(database.maintain(budget_ms) for database in self._databases) > 0


class SharedWorkload(Workload):
    """Moments and values that other processes' compare with."""

    def __init__(self, databases: list[Database], *, first_value: int = 1, **options: Any) -> None:
        super().__init__(Kernels(databases), **options)  # type: ignore[arg-type]
        self._values = itertools.count(first_value)

    def moment(self) -> int:
        return time.monotonic_ns()


def work(uri: str, seed: int) -> None:
    databases = [open_shared_database(uri)]
    workload = SharedWorkload(databases, first_value=seed * 1_000_000, threads=2, transactions=120, seed=seed)
    # Without the last one, which knows only of the points that this workload may have put.
    sys.stdout.buffer.write(pickle.dumps(workload.run()[:-1]))
    databases[0].close()


def count(uri: str, name: str) -> None:
    database = open_shared_database(uri)
    number = 0
    while True:
        number += 1
        while True:
            transaction = database.begin()
            found = list(transaction.scan("counters", "by_creation_time", b"", b"\xff"))
            mine = next((each for each in found if each["name"] == name), None)
            if mine is None:
                transaction.insert("counters", {"name": name, "n": number})
            else:
                transaction.patch(mine["_id"], {"n": number})
            transaction.insert("said", {"name": name, "n": number})
            try:
                database.commit(transaction, name)
            except Conflict:
                continue
            break
        print(number, flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        work(sys.argv[2], int(sys.argv[3]))
    else:
        count(sys.argv[2], sys.argv[3])
