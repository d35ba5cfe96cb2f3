"""A process that is interrupted all the time: run by ``test_interrupts``, prints what came of it.

Every interrupt is sent only after the one before has surfaced as a ``KeyboardInterrupt``, so that none may be lost.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import threading
import time
from typing import Any

import pytest

from convex_nb.engine.committer import Conflict
from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import small_thresholds
from tests.until import PATIENCE

KEPT = 200
"""Documents of the log."""
LEAST = 300
"""Interrupts that are sent however long it takes."""


class Interrupter:
    """Sends SIGINT to the main thread after random moments, one at a time."""

    def __init__(self, number: int, seed: int, seconds: float) -> None:
        self.sent = 0
        self.surfaced = 0
        self.is_done = False
        self.is_welcome = False
        self._number = number
        self._chance = random.Random(seed)
        self._deadline = time.monotonic() + seconds
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._send()
        # Not `is_alive`: interrupted in the middle of the question, it declares the thread dead.
        self.is_done = True

    def _send(self) -> None:
        while self.sent < self._number and (self.sent < LEAST or time.monotonic() < self._deadline):
            while not self.is_welcome:
                time.sleep(0)
            self.is_welcome = False
            pause = self._chance.random() ** 4 * 4e-3
            started = time.monotonic()
            while time.monotonic() - started < pause:
                time.sleep(0)
            self.sent += 1
            os.kill(os.getpid(), signal.SIGINT)
            patience = time.monotonic() + PATIENCE
            while self.surfaced < self.sent:
                time.sleep(0)
                if time.monotonic() > patience:
                    return


class Work:
    """Transactions that count themselves, and everything else that a main thread does with a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.acknowledged = 0
        self.tried = 0
        self._chance = random.Random(0)

    def step(self) -> None:
        database = self.database
        transaction = database.begin()
        db = DatabaseWriter(transaction)
        key = self._chance.randrange(5)
        document = db.query("counters").with_index("by_key", key=key).unique()
        if document is None:
            db.insert("counters", {"key": key, "count": 1})
        else:
            db.patch(document["_id"], {"count": document["count"] + 1})
        newest = db.query("log").order("desc").first()
        db.insert("log", {"n": 1 if newest is None else newest["n"] + 1})
        if newest is not None and newest["n"] >= KEPT:
            # What grew and grew would be merged again and again.
            db.delete(db.query("log").take(1)[0]["_id"])
        self.tried += 1
        try:
            database.commit(transaction)
        except Conflict:
            raise AssertionError("nobody else writes") from None
        self.acknowledged += 1
        kind = self._chance.randrange(4)
        if kind == 0:
            database.maintain(1)
        elif kind == 1:
            reader = database.begin(writable=False)
            low = self._chance.randrange(5)
            DatabaseReader(reader).query("counters").with_index("by_key", lambda q: q.gt("key", low)).take(2)
            database.subscribe(reader.read_set, self._chance.randrange(8), reader.snapshot.timestamp)
        elif kind == 2:
            database.subscriptions.remove(self._chance.randrange(8))
        else:
            DatabaseReader(database.begin(writable=False)).query("log").arrow()


def main(number: int, seed: int, seconds: float) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        small_thresholds(patch)
        counters = define_table({"key": v.number(), "count": v.number()}).index("by_key", ["key"])
        database = Database()
        database.push_schema(define_schema({"counters": counters}))
        told: list[int] = []
        database.on_commit.append(lambda commit: told.append(commit.timestamp))
        work = Work(database)
        for _ in range(50):
            work.step()  # whatever is imported on the way is imported whole
        database.maintain(1000)
        interrupter = Interrupter(number, seed, seconds)
        # The threads take turns so often that interrupts hit every line, not only those that let go of the lock.
        sys.setswitchinterval(1e-6)
        while True:
            try:
                interrupter.is_welcome = True
                while not interrupter.is_done:
                    work.step()
                break
            except KeyboardInterrupt:
                interrupter.surfaced += 1
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        database.check()
        database.maintain(60_000)
        database.check()
        counted = sum(document["count"] for document in DatabaseReader(database.begin()).query("counters"))
        logged = [document["n"] for document in DatabaseReader(database.begin()).query("log")]
        newest = logged[-1]
        return {
            "sent": interrupter.sent,
            "surfaced": interrupter.surfaced,
            "acknowledged": work.acknowledged,
            "tried": work.tried,
            "counted": counted,
            "logged": newest if logged == list(range(max(1, newest - KEPT + 1), newest + 1)) else logged,
            "commits": database.statistics().commits,
            "told": len(set(told)),
            "maintenance_steps": database.statistics().maintenance_steps,
        }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
