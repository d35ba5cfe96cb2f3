"""A process that stores and deletes files until it is killed."""

from __future__ import annotations

import itertools
import os
import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.files import chunks, file_store
from convex_nb.engine.wal.opening import open_database
from convex_nb.services.files import content
from convex_nb.services.files.file_table import delete_file
from convex_nb.services.files.storing import store_file
from convex_nb.services.system_writes import write_system
from tests.engine.wal.files import small_files

CHUNK = 700
KEPT = 3


def small_chunks(patch: pytest.MonkeyPatch) -> None:
    """Files of many chunks, and checkpoints all the time."""
    small_files(patch)
    for module in (chunks, file_store, content):
        patch.setattr(module, "CHUNK_BYTES", CHUNK)


def bytes_of(step: int) -> bytes:
    """The content of the file that a step stores; now and then the same as that of an earlier one."""
    source = random.Random(step - 2 if step % 5 == 0 else step)
    return source.randbytes(source.choice([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 3]))


def open_files(path: Path, reached: Callable[[str], None] = lambda point: None) -> Database:
    """The database of the process."""
    return open_database(path, reached=reached, retention=0)


def steps_in(database: Database) -> dict[int, str]:
    """The ids of the files that are there, by the steps that stored them."""
    state = database.head.table("_storage")
    scan = () if state is None else state.scan(1, b"", b"\xff", reverse=False)
    return {int(document["contentType"].removeprefix("x/")): document["_id"] for document in scan}


def run(path: Path, journal: int, reached: Callable[[str], None], first: int) -> None:
    """Store a file for each step and delete an older one; say in ``journal`` what begins and what is done."""
    database = open_files(path, reached)
    chance = random.Random()
    for step in range(first, first + 200):
        data = bytes_of(step)
        os.write(journal, b"storing %d\n" % step)
        store_file(database, iter([data[:9], data[9:]]), "test", content_type=f"x/{step}")
        os.write(journal, b"stored %d\n" % step)
        for old, id in steps_in(database).items():
            if old <= step - KEPT:
                os.write(journal, b"deleting %d\n" % old)
                write_system(database, lambda writer, id=id: delete_file(writer, id), "test")  # type: ignore[misc]
                os.write(journal, b"deleted %d\n" % old)
        for _ in range(chance.choice([0, 1, 20])):
            database.maintain(5)


def serve() -> None:
    """Fork a child for each line of input; say when it has died."""
    with pytest.MonkeyPatch.context() as patch:
        small_chunks(patch)
        for line in sys.stdin:
            path, journal, first, point, times = line.split("\t")
            child = os.fork()
            if not child:
                _child(Path(path), Path(journal), int(first), point, int(times))
            print(child, flush=True)
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)


def _child(path: Path, journal: Path, first: int, point: str, times: int) -> None:
    left = itertools.count(times, -1)

    def reached(now: str) -> None:
        if now == point and not next(left):
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        run(path, os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND), reached, first)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    os._exit(0)
