"""A process that stores and deletes files until it is killed."""

from __future__ import annotations

import os
import random
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
from tests import dying
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
    """Be the server of such processes."""
    with pytest.MonkeyPatch.context() as patch:
        small_chunks(patch)
        dying.serve(run)
