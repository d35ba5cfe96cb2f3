"""Threads that store and delete the same contents while the bytes of deleted ones are cleared away."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from pathlib import Path

import pytest

import convex_nb
from convex_nb.engine.files import chunks, file_store
from convex_nb.services.files import content

CONTENTS = [b"a" * 10, b"b" * 3000, b"c" * 5000]


@pytest.mark.parametrize("name", [None, "a.convex"])
def test_no_file_loses_the_bytes_that_it_shares(
    tmp_path: Path, name: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (chunks, file_store, content):
        monkeypatch.setattr(module, "CHUNK_BYTES", 1000)
    path = None if name is None else tmp_path / name
    failures: list[BaseException] = []
    with convex_nb.open(path, retention=timedelta(0), durability="relaxed") as dep:
        over = threading.Event()

        def store_and_delete(seed: int) -> None:
            chance = random.Random(seed)
            mine: list[tuple[str, bytes]] = []
            try:
                for _ in range(60):
                    data = chance.choice(CONTENTS)
                    mine.append((dep.files.store(data), data))
                    if chance.random() < 0.7:
                        dep.files.delete(mine.pop(chance.randrange(len(mine)))[0])
                    for id, data in mine:
                        assert dep.files[id].read() == data
            except BaseException as error:
                failures.append(error)

        def clear_away() -> None:
            while not over.is_set():
                dep._database.maintain(1)

        threads = [threading.Thread(target=store_and_delete, args=(seed,)) for seed in range(4)]
        clearing = threading.Thread(target=clear_away)
        clearing.start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        over.set()
        clearing.join()
        assert failures == []
        dep.check()
        assert {file.read() for file in dep.files.values()} <= set(CONTENTS)


def test_an_interrupt_leaves_nothing(tmp_path: Path) -> None:
    def pieces() -> object:
        yield b"x" * (3 << 20)
        raise KeyboardInterrupt

    with convex_nb.open(tmp_path / "a.convex") as dep:
        with pytest.raises(KeyboardInterrupt):
            dep.files.store(pieces())
        assert len(dep.files) == 0
        database = dep._database
        while database.files.chunks.numbers(None):
            database.maintain(10)
        assert not database.files.staged
