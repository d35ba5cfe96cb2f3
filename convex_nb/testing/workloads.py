"""Threads that work on one database at once, and the history of what they saw."""

from __future__ import annotations

import itertools
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.testing.histories import Add, Append, Execution, Operation, Read, ReadList, ReadRange, Write

KEYS = 4
"""Lists and registers that are in use at a time."""
POINTS = 24
"""Points of the line that are in use at a time."""
EPOCH = 64
"""Transactions after which others come into use: what a list holds and a range sees stays short."""
MEETINGS = 16
"""So often, at first, all threads have read before one of them commits: some conflict, however late a thread starts."""


def schema() -> SchemaDefinition:
    """The tables that the workload needs."""
    return define_schema(
        {
            "lists": define_table({"key": v.string(), "values": v.array(v.number())}).index("by_key", ["key"]),
            "registers": define_table({"key": v.string(), "value": v.number()}).index("by_key", ["key"]),
            "points": define_table({"point": v.number(), "value": v.number()}).index("by_point", ["point"]),
        }
    )


class Workload:
    """Random transactions on lists, registers and ranges of a fresh database, and a record of each attempt.

    ``threads`` run until ``transactions`` were tried in all. A transaction that conflicts is recorded as rolled back
    and tried again with other values; ``source`` is what ``record`` passes to ``commit``. Failures of the log are
    recorded as rolled back too. ``maintain`` adds a thread that does the database's slow work all the time.
    """

    def __init__(
        self, database: Database, *, threads: int = 4, transactions: int = 400, seed: int = 0, maintain: bool = False
    ) -> None:
        self.database = database
        self.history: list[Execution] = []
        self.conflicts = 0
        self.failures: list[Exception] = []
        self._threads = threads
        self._transactions = transactions
        self._seed = seed
        self._maintain = maintain
        self._moments = itertools.count()
        self._values = itertools.count(1)
        self._meetings = min(MEETINGS, transactions // threads)
        self._together = threading.Barrier(threads)
        self._turns = itertools.count(threads * self._meetings)
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._errors: list[BaseException] = []

    @property
    def operations(self) -> int:
        """How many operations the history holds."""
        return sum([len(execution.operations) for execution in self.history])

    def run(self, join_seconds: float = 600) -> list[Execution]:
        """Record a history; the last execution of it reads everything. Raises what a thread raised."""
        if self.database.head.schema != schema():
            self.database.push_schema(schema())
        interval = sys.getswitchinterval()
        # Threads take turns so often that transactions of microseconds overlap.
        sys.setswitchinterval(1e-5)
        try:
            workers = [
                threading.Thread(target=self._guard, args=(self._work, number), daemon=True)
                for number in range(self._threads)
            ]
            upkeep = threading.Thread(target=self._guard, args=(self._keep_up, 0), daemon=True)
            for thread in workers:
                thread.start()
            if self._maintain:
                upkeep.start()
            deadline = time.monotonic() + join_seconds
            for thread in workers:
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    raise TimeoutError(f"{thread.name} is still running after {join_seconds} seconds")
            self._done.set()
            if self._maintain:
                upkeep.join(join_seconds)
        finally:
            sys.setswitchinterval(interval)
        if self._errors:
            raise self._errors[0]
        self._read_everything()
        return self.history

    def _guard(self, target: Callable[[int], None], number: int) -> None:
        try:
            target(number)
        except BaseException as error:  # a thread's errors belong to whoever called run
            self._errors.append(error)
            self._together.abort()

    def _keep_up(self, _: int) -> None:
        while not self._done.is_set():
            self.database.maintain(1)
            time.sleep(0.0005)

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")
        for turn in range(number, self._meetings * self._threads, self._threads):
            _Attempt(self, chance, turn // EPOCH).run(self._together.wait)
        while (turn := next(self._turns)) < self._transactions and not self._errors:
            _Attempt(self, chance, turn // EPOCH).run()

    def record(self, operations: list[Operation], started: int, committed: bool) -> None:
        """One attempt is over."""
        execution = Execution(tuple(operations), started, self.moment(), committed, threading.current_thread().name)
        with self._lock:
            self.history.append(execution)

    def conflicted(self) -> None:
        """One attempt has met another."""
        with self._lock:
            self.conflicts += 1

    def moment(self) -> int:
        """A time that no other thread can have."""
        return next(self._moments)

    def value(self) -> int:
        """A value that nobody has written."""
        return next(self._values)

    def _read_everything(self) -> None:
        started = self.moment()
        transaction = self.database.begin(writable=False)
        db = DatabaseReader(transaction)
        lists = [ReadList(each["key"], tuple(each["values"])) for each in db.query("lists").collect()]
        registers = [Read(each["key"], each["value"]) for each in db.query("registers").collect()]
        everything = frozenset([each["value"] for each in db.query("points").collect()])
        points = ReadRange(0, (self._transactions // EPOCH + 1) * POINTS, everything)
        self.record([*lists, *registers, points], started, committed=True)


class _Attempt:
    """One transaction of the workload."""

    def __init__(self, workload: Workload, chance: random.Random, epoch: int) -> None:
        self._workload = workload
        self._chance = chance
        self._epoch = epoch
        self._operations: list[Operation] = []

    def run(self, meet: Callable[[], object] = lambda: None) -> None:
        workload = self._workload
        started = workload.moment()
        writable = self._chance.random() < 0.75
        transaction = workload.database.begin(writable=writable)
        choices: list[Callable[[Any], None]] = [self._read_list, self._read_register, self._read_range]
        if writable:
            choices += [self._append, self._append, self._write, self._write, self._add, self._add]
        db = DatabaseWriter(transaction) if writable else DatabaseReader(transaction)
        for choice in self._chance.choices(choices, k=self._chance.randint(1, 4)):
            choice(db)
            self._pause()
        meet()
        committed = False
        try:
            workload.database.commit(transaction, "workload")
            committed = True
        except Conflict:
            workload.conflicted()
        except OSError as failure:
            workload.failures.append(failure)
        workload.record(self._operations, started, committed)

    def _pause(self) -> None:
        dice = self._chance.random()
        if dice < 0.3:
            time.sleep(0)
        elif dice < 0.35:
            time.sleep(self._chance.random() * 5e-4)

    def _key(self) -> str:
        return f"{self._epoch}.{self._chance.randrange(KEYS)}"

    def _read_list(self, db: DatabaseReader) -> None:
        key = self._key()
        document = db.query("lists").with_index("by_key", key=key).first()
        self._operations.append(ReadList(key, () if document is None else tuple(document["values"])))

    def _append(self, db: DatabaseWriter) -> None:
        key, value = self._key(), self._workload.value()
        document = db.query("lists").with_index("by_key", key=key).first()
        self._pause()
        if document is None:
            db.insert("lists", {"key": key, "values": [value]})
        else:
            db.patch(document["_id"], {"values": [*document["values"], value]})
        self._operations.append(Append(key, value))

    def _read_register(self, db: DatabaseReader) -> None:
        key = self._key()
        document = db.query("registers").with_index("by_key", key=key).first()
        self._operations.append(Read(key, None if document is None else document["value"]))

    def _write(self, db: DatabaseWriter) -> None:
        key, value = self._key(), self._workload.value()
        document = db.query("registers").with_index("by_key", key=key).first()
        self._pause()
        if document is None:
            db.insert("registers", {"key": key, "value": value})
        else:
            db.replace(document["_id"], {"key": key, "value": value})
        self._operations.append(Write(key, value, None if document is None else document["value"]))

    def _point(self) -> int:
        return self._epoch * POINTS + self._chance.randrange(POINTS)

    def _add(self, db: DatabaseWriter) -> None:
        point, value = self._point(), self._workload.value()
        db.insert("points", {"point": point, "value": value})
        self._operations.append(Add(point, value))

    def _read_range(self, db: DatabaseReader) -> None:
        lo, hi = sorted((self._point(), self._point()))
        query = db.query("points").with_index("by_point", lambda q: q.gte("point", lo).lt("point", hi))
        if self._chance.random() < 0.5:
            found: list[Any] = query.collect()
        else:
            # Half the range in either direction: what lies beyond the last point that came is not known.
            reverse = self._chance.random() < 0.5
            found = (query.order("desc") if reverse else query).take(3)
            if len(found) == 3:
                last = found[-1]["point"]
                lo, hi = (last + 1, hi) if reverse else (lo, last)
                found = [document for document in found if lo <= document["point"] < hi]
        self._operations.append(ReadRange(lo, hi, frozenset([document["value"] for document in found])))
