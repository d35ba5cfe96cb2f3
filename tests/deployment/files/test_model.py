"""Files against a dict: stored, deleted, forked, saved, backed up, exported, restored and looked at in the past."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

import convex_nb
from convex_nb import Deployment
from convex_nb.engine.files import chunks, file_store
from convex_nb.services.files import content
from convex_nb.testing import VirtualClock
from tests.engine.wal.files import small_files
from tests.until import maintained

CHUNK = 500
CONTENTS = st.one_of(
    st.binary(max_size=3),
    st.sampled_from([b"", b"x" * CHUNK, b"y" * (CHUNK + 1), b"z" * (3 * CHUNK)]),
)
Told = dict[str, tuple[bytes, str | None]]


def told(files: Any) -> Told:
    return {id: (file.read(), file.content_type) for id, file in files.items()}


class Files(RuleBasedStateMachine):
    """A deployment, in memory or in a file, and what its files should be."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        small_files(self.patch)
        for module in (chunks, file_store, content):
            self.patch.setattr(module, "CHUNK_BYTES", CHUNK)
        self.folder = Path(tempfile.mkdtemp())
        self.names = iter(range(1000))
        self.clock = VirtualClock()
        self.model: Told = {}
        self.forks: list[tuple[Deployment, Told]] = []
        self.past: list[tuple[int, int, Told]] = []
        self.dep: Deployment = None  # type: ignore[assignment]

    def place(self) -> Path:
        return self.folder / f"{next(self.names)}.convex"

    @initialize(is_durable=st.booleans())
    def open(self, is_durable: bool) -> None:
        self.dep = convex_nb.open(self.place() if is_durable else None, clock=self.clock, durability="relaxed")

    @rule(data=CONTENTS, kind=st.sampled_from([None, "text/plain"]))
    def store(self, data: bytes, kind: str | None) -> None:
        id = self.dep.files.store(data, content_type=kind)
        self.model[id] = (data, kind)

    @precondition(lambda self: self.model)
    @rule(number=st.integers(0, 100))
    def delete(self, number: int) -> None:
        id = sorted(self.model)[number % len(self.model)]
        self.dep.files.delete(id)
        del self.model[id]

    @rule()
    def remember(self) -> None:
        self.past.append((self.clock.now_ns(), self.dep.timestamp, dict(self.model)))

    @rule(minutes=st.sampled_from([1, 4, 20]))
    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes * 60_000)
        self.maintain()

    @rule()
    def maintain(self) -> None:
        maintained(self.dep._database)

    @rule()
    def fork(self) -> None:
        self.forks.append((self.dep.fork(), dict(self.model)))

    @precondition(lambda self: self.forks)
    @rule(data=CONTENTS)
    def change_a_fork(self, data: bytes) -> None:
        fork, model = self.forks[-1]
        model[fork.files.store(data)] = (data, None)
        if len(model) > 2:
            id = min(model)
            fork.files.delete(id)
            del model[id]

    def end_forks(self) -> None:
        """What forks share with the deployment is read there."""
        for fork, _ in self.forks:
            fork.close()
        self.forks = []

    @rule()
    def save(self) -> None:
        self.dep.save(self.place(), durability="relaxed")

    @precondition(lambda self: self.dep.path is not None)
    @rule()
    def open_again(self) -> None:
        path = self.dep.path
        self.end_forks()
        self.dep.close()
        self.past = []
        self.dep = convex_nb.open(path, clock=self.clock, durability="relaxed")

    @rule()
    def back_up(self) -> None:
        path = self.dep.backup(self.place())
        with convex_nb.open(path, read_only=True) as backup:
            backup.check()
            assert told(backup.files) == self.model
        path.unlink()

    @rule(later=CONTENTS)
    def export_and_restore(self, later: bytes) -> None:
        path = self.dep.export(self.folder / "all.zip")
        for id in sorted(self.model)[::2]:
            self.dep.files.delete(id)
        self.model[self.dep.files.store(later)] = (later, None)
        self.dep.restore(path)

    @rule()
    def look(self) -> None:
        assert told(self.dep.files) == self.model
        self.dep.check()
        for fork, model in self.forks:
            assert told(fork.files) == model
            fork.check()
        for now, timestamp, model in self.past:
            if self.clock.now_ns() - now < 540 * 10**9:
                assert told(self.dep.at(timestamp).files) == model

    def teardown(self) -> None:
        if self.dep is not None:
            self.look()
            for each in (self.dep, *[fork for fork, _ in self.forks]):
                each.close()
        self.patch.undo()
        shutil.rmtree(self.folder)


TestFiles = Files.TestCase
TestFiles.settings = settings(max_examples=25, stateful_step_count=20)
