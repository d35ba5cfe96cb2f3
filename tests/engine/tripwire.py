"""An interrupt at one chosen line of the engine, and what has to hold after it."""

from __future__ import annotations

import linecache
import signal
import sys
from collections.abc import Callable
from functools import cache
from types import FrameType
from typing import Any

from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseWriter
from tests.engine.databases import import_all, items_schema, make_database, reading, transact


class Tripwire:
    """A trace function that sends SIGINT when the ``at``-th line of the engine is reached."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.seen = 0

    def __call__(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        return self._line if "/convex_nb/engine/" in frame.f_code.co_filename else None

    def _line(self, frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if event == "line" and frame.f_lineno not in _leaving(frame.f_code.co_filename):
            self.seen += 1
            if self.seen == self.at:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self._line


@cache
def _leaving(filename: str) -> frozenset[int]:
    """Lines of `with`, which leaving the block is an event of as well, where Python itself looks for no signals."""
    lines = linecache.getlines(filename)
    return frozenset(number for number, line in enumerate(lines, 1) if line.lstrip().startswith("with "))


def prepared() -> Database:
    """A database with some past."""
    database = make_database(items_schema("n"))
    for turn in range(2):
        everything(database, turn)
    return database


def everything(database: Database, turn: int) -> None:
    """What a main thread does with a database."""
    low = turn % 3

    def write(db: DatabaseWriter) -> None:
        ids = db.insert_many("items", [{"n": n} for n in range(4)])
        db.insert(f"table{turn}", {"n": 1})
        db.patch(ids[0], {"n": 7})
        db.delete(ids[1])

    transact(database, write)
    transaction, db = reading(database)
    db.query("items").with_index("by_fields", lambda q: q.gt("n", low)).take(2)
    db.query("items").with_index("by_fields", n=3).collect()
    database.subscribe(transaction.read_set, turn % 2, transaction.snapshot.timestamp)
    transact(database, lambda db: db.delete(db.query("items").take(1)[0]["_id"]))
    import_all(database, "items", [{"n": 5}])
    database.maintain(1000)
    database.push_schema(items_schema("n", "m") if turn % 2 else items_schema("n"))
    database.at(database.head.timestamp - 1)
    database.subscriptions.remove(turn % 2)


def interrupted_at(line: int) -> tuple[bool, int]:
    """Interrupt at a line, look whether all is well and stays so; whether it was reached, and the lines in all."""
    database = prepared()
    tripwire = Tripwire(line)
    surfaced = False
    before = sys.gettrace()
    try:
        sys.settrace(tripwire)
        everything(database, 2)
    except KeyboardInterrupt:
        surfaced = True
    finally:
        sys.settrace(before)
    database.check()
    for turn in (3, 2, 4):
        everything(database, turn)
    database.check()
    return surfaced, tripwire.seen
