"""A process that commits until it is killed, and what must be there afterwards.

Every commit is a step of a program that a seed determines, and the database says which step it is at. So whoever opens
the file after a crash knows exactly what has to be in it.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.wal.opening import open_database
from convex_nb.language.schema import SchemaDefinition
from tests import dying
from tests.dying import Server
from tests.engine.databases import import_all, items_schema, small_thresholds
from tests.engine.wal.files import small_files

SCHEMAS = (items_schema("key"), items_schema("value", "key"), items_schema("key", "value"))


class Program:
    """The documents after each step, naively: values by key."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.step = 0
        self.values: dict[int, Any] = {}
        self.schema: SchemaDefinition | None = None

    def next(self) -> tuple[str, list[int], Any]:
        """What the next step does: to which keys, and with what value."""
        self.step += 1
        source = random.Random(f"{self.seed}:{self.step}")
        value = source.choice([self.step, float(self.step), None, "x" * source.randrange(400), {"deep": [self.step]}])
        what = source.choice(["insert"] * 4 + ["change"] * 4 + ["delete"] * 2 + ["import", "many", "large", "push"])
        known = sorted(self.values)
        if what in ("change", "delete") and known:
            keys = source.sample(known, min(len(known), source.randrange(1, 4)))
        elif what in ("change", "delete"):
            what, keys = "insert", [self.step * 100]
        else:
            count = {"insert": 1, "import": 8, "many": 12, "large": 3, "push": 0}[what]
            keys = list(range(self.step * 100, self.step * 100 + count))
        if what == "large":
            value = source.randbytes(600).hex()
        for key in keys:
            if what == "delete":
                del self.values[key]
            else:
                self.values[key] = value
        if what == "push":
            self.schema = SCHEMAS[self.step % len(SCHEMAS)]
        return what, keys, value

    def upto(self, step: int) -> Program:
        """The program after that step."""
        while self.step < step:
            self.next()
        return self


def step_of(database: Database, table: str = "steps", snapshot: Snapshot | None = None) -> int:
    """The step that a database is at, or was at."""
    document = DatabaseReader(database.begin(snapshot, writable=False)).query(table).first()
    return 0 if document is None else int(document["step"])


def verify(path: Path, seed: int, least: int, most: int, least_beside: int, most_beside: int) -> int:
    """Open what a crash left, and compare it with the program; the step that it is at."""
    database = open_database(path)
    try:
        database.check()
        step, beside = step_of(database), step_of(database, "beside")
        assert least <= step <= most, f"acknowledged {least}, begun {most}, found {step}"
        assert least_beside <= beside <= most_beside, (
            f"acknowledged {least_beside}, begun {most_beside}, found {beside}"
        )
        _compare(database.head, seed, step)
        moments = [commit.timestamp for commit in database.commits_after(database.oldest)]
        for moment in moments[:: len(moments) // 3 + 1]:
            past = database.at(moment)
            _compare(past, seed, step_of(database, snapshot=past))
    finally:
        database.close()
    return step


def _compare(snapshot: Snapshot, seed: int, step: int) -> None:
    program = Program(seed).upto(step)
    state = snapshot.tables.get("items")
    documents = [] if state is None else list(state.scan(1, b"", b"\xff", reverse=False))
    assert {d["key"]: d["value"] for d in documents} == program.values
    assert len(documents) == len(program.values)
    # A push is a commit of its own, which the step that it belongs to follows.
    following = Program(seed).upto(step + 1)
    assert snapshot.schema in (program.schema, following.schema)


# -- the process that is killed ------------------------------------------------------------------------------------


def run(path: Path, journal: int, reached: Callable[[str], None], seed: int) -> None:
    """Commit until the end of the process, thousands of steps; say in ``journal`` what begins and what is done."""
    chance = random.Random()
    # Another one each time, which the file has to note.
    retention = chance.choice([10**7, 10**8, 10**12]) + chance.randrange(10**6)
    database = open_database(path, retention=retention, reached=reached)
    program = Program(seed).upto(step_of(database))
    threading.Thread(target=_beside, args=(database, journal), daemon=True).start()
    for _ in range(3000):
        os.write(journal, b"begin %d\n" % (program.step + 1))
        _take_step(database, program)
        os.write(journal, b"done %d\n" % program.step)
        if chance.random() < 0.5:
            database.maintain(chance.choice([0, 5, 200]))


def _take_step(database: Database, program: Program) -> None:
    what, keys, value = program.next()
    if what == "push":
        database.push_schema(program.schema)
    transaction = database.begin()
    db = DatabaseWriter(transaction)
    ids = {}
    if what in ("change", "delete"):
        ids = {document["key"]: document["_id"] for document in db.query("items").collect()}
    for key in keys:
        if what == "delete":
            db.delete(ids[key])
        elif what == "change":
            db.replace(ids[key], {"key": key, "value": value})
        elif what != "import":
            db.insert("items", {"key": key, "value": value})
    if what == "import":
        _import(database, transaction, [{"key": key, "value": value} for key in keys])
    _note(db, "steps", program.step)
    database.commit(transaction)


def _import(database: Database, transaction: Any, documents: list[dict[str, Any]]) -> None:
    class Same:
        """Takes the segment into the step's own transaction."""

        def __getattr__(self, name: str) -> Any:
            return getattr(database, name)

        def begin(self) -> Any:
            return transaction

        def commit(self, _transaction: Any, _source: str) -> object:
            return self

    import_all(Same(), "items", documents)  # type: ignore[arg-type]


def _note(db: DatabaseWriter, table: str, step: int) -> None:
    document = db.query(table).first()
    if document is None:
        db.insert(table, {"step": step})
    else:
        db.patch(document["_id"], {"step": step})


def _beside(database: Database, journal: int) -> None:
    from convex_nb.engine.committer import Conflict

    step = step_of(database, "beside")
    while True:
        step += 1
        os.write(journal, b"beside-begin %d\n" % step)
        while True:
            transaction = database.begin()
            _note(DatabaseWriter(transaction), "beside", step)
            try:
                database.commit(transaction)
            except Conflict:
                continue
            break
        os.write(journal, b"beside-done %d\n" % step)
        time.sleep(0.005)


def serve() -> None:
    """Be the server of such processes."""
    with pytest.MonkeyPatch.context() as patch:
        small_thresholds(patch)
        small_files(patch)
        dying.serve(run)


# -- whoever kills it ----------------------------------------------------------------------------------------------


class Killer:
    """Runs the process, kills it, and verifies what is there."""

    def __init__(self, server: Server, folder: Path, seed: int) -> None:
        self._server = server
        self._journal = folder / "journal"
        self.path = folder / "a.convex"
        self.seed = seed
        self.step = 0
        self._beside = 0

    def _start(self, point: str = "", times: int = 0) -> int:
        self._journal.unlink(missing_ok=True)
        return self._server.start(self.path, self._journal, self.seed, point, times)

    def kill_after(self, seconds: float) -> None:
        """Kill it at some moment."""
        child = self._start()
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        assert self._server.end() == -signal.SIGKILL
        self._verify()

    def kill_at(self, point: str, times: int) -> bool:
        """Let it kill itself when it comes to a point for so many times and once more; whether it did."""
        self._start(point, times)
        code = self._server.end()
        assert code in (0, -signal.SIGKILL)
        self._verify()
        return code != 0

    def _verify(self) -> None:
        lines = self._journal.read_text().split("\n") if self._journal.exists() else []
        said: dict[str, int] = {}
        for line in lines:
            word, _, number = line.partition(" ")
            if number:
                said[word] = int(number)
        beside = said.get("beside-done", self._beside), said.get("beside-begin", self._beside)
        self.step = verify(
            self.path, self.seed, said.get("done", self.step), said.get("begin", self.step), beside[0], beside[1]
        )
        self._beside = self._beside_step()

    def _beside_step(self) -> int:
        database = open_database(self.path, read_only=True)
        return step_of(database, "beside")
