"""A process whose threads commit, save, look and close at the same time: run by ``test_closing``.

It ends with an error where an acknowledged commit is not in the file that its deployment lived in last, where a thread
saw anything but a polite refusal, or where somebody waits for ever.
"""

from __future__ import annotations

import faulthandler
import random
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import convex_nb
from convex_nb.deployment import worker
from convex_nb.engine.wal import storage_file
from convex_nb.language.errors import DeploymentClosedError
from tests.engine.databases import small_thresholds
from tests.engine.wal.files import small_files


class Round:
    """One deployment, from its opening to its end."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._number = number
        self._chance = random.Random(number)
        self.place = self._path(0)
        self.dep = convex_nb.open(self.place, durability="relaxed")
        self.acknowledged: list[int] = []
        self.unexpected: list[BaseException] = []

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._number}-{number}.convex"

    def _commit(self, key: int) -> None:
        self.dep.transact(lambda db: db.insert("items", {"key": key}))
        self.acknowledged.append(key)

    def _look(self, _: int) -> None:
        self.dep.statistics()
        self.dep.table("items").count()

    def _save(self, number: int) -> None:
        place = self._path(number + 1)
        self.dep.save(place, durability="relaxed")
        self.place = place

    def _repeat(self, what: Callable[[int], None], numbers: range) -> None:
        try:
            for number in numbers:
                what(number)
        except DeploymentClosedError:
            pass
        except BaseException as error:
            self.unexpected.append(error)

    def run(self) -> None:
        """Let them loose for some milliseconds, close, and look at what is there."""
        work = [
            *[(self._commit, range(first, 10**9, 3)) for first in range(3)],
            (self._look, range(10**9)),
            (self._save, range(self._chance.choice([0, 1, 10**9]))),
        ]
        threads = [threading.Thread(target=self._repeat, args=each) for each in work]
        for thread in threads:
            thread.start()
        time.sleep(self._chance.random() * 0.1)
        closers = [threading.Thread(target=self.dep.close) for _ in range(self._chance.choice([0, 1]))]
        for thread in closers:
            thread.start()
        self.dep.close()
        for thread in (*threads, *closers):
            thread.join(30)
            assert not thread.is_alive(), "somebody waits for ever"
        if self.unexpected:
            raise self.unexpected[0]
        with convex_nb.open(self.place) as dep:
            found = {row["key"] for row in dep.table("items").arrow().to_pylist()}
            assert found >= set(self.acknowledged), f"{self.place.name} lacks commits that were acknowledged"
            dep.check()


def main(folder: Path, rounds: int) -> None:
    """Rounds after another, each with other timings."""
    faulthandler.enable()
    sys.setswitchinterval(1e-4)
    with pytest.MonkeyPatch.context() as patch:
        small_thresholds(patch)
        small_files(patch)
        patch.setattr(storage_file, "SIDECAR_BYTES", 20_000)
        patch.setattr(worker, "PAUSE_SECONDS", 0.0)
        for number in range(rounds):
            Round(folder, number).run()
            for each in folder.iterdir():
                each.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
