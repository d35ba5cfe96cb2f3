"""The engine's own state machine over a file, which is closed and opened again at any moment."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import invariant, rule

from convex_nb.engine import maintenance
from convex_nb.engine.wal.opening import save_database
from convex_nb.language.ordering import same_value
from tests.engine.databases import StepTimer, small_thresholds
from tests.engine.model import assert_holds, copied
from tests.engine.test_state_machine import RETENTION_NS, EngineMachine
from tests.engine.wal.files import open_quickly, sidecars, small_files


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        small_thresholds(patch)
        small_files(patch)
        patch.setattr(maintenance, "monotonic", StepTimer())
        yield


class DurableMachine(EngineMachine):
    """What `EngineMachine` says of a database holds of one that was closed and opened, and that was saved elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "a.convex"
        self.database = open_quickly(self.path, clock=self.clock, retention=RETENTION_NS)
        self.past = [(self.database.head.timestamp, copied(self.contents))]
        self.files = 1
        self.began = self.latest = self.database.head.timestamp

    @rule()
    def reopen(self) -> None:
        head = self.database.head
        creation_time = self.database.mint.last_creation_time
        numbers = {state.name: state.number for state in head.tables.values()}
        self.database.close()
        assert sidecars(self.path) == []
        self.database = open_quickly(self.path, clock=self.clock)
        self.open.clear()
        again = self.database.head
        assert again.timestamp == head.timestamp
        assert again.schema == head.schema
        assert {state.name: state.number for state in again.tables.values()} == numbers
        assert self.database.mint.last_creation_time <= creation_time
        written = [d["_creationTime"] for documents in self.contents.values() for d in documents.values()]
        assert self.database.mint.last_creation_time >= max(written, default=0)

    @rule()
    def look_from_beside(self) -> None:
        beside = open_quickly(self.path, clock=self.clock, read_only=True)
        mine, self.database = self.database, beside
        assert beside.head.timestamp == mine.head.timestamp
        self.all_is_well()
        for timestamp, contents in self.past[::3]:
            if timestamp >= beside.oldest:
                assert_holds(beside, beside.at(timestamp), contents)
        self.database = mine

    @rule()
    def save(self) -> None:
        before = self.path
        self.files += 1
        self.path = self.folder / f"{self.files}.convex"
        head = self.database.head
        save_database(self.database, self.path, durability="relaxed")
        assert self.database.head is head
        self.began = head.timestamp
        assert sidecars(before) == []
        before.unlink()

    @rule(data=st.data())
    def follow(self, data: st.DataObject) -> None:
        """What is told of a moment and of the commits since, from memory and from the file, makes the present."""
        known = [(timestamp, contents) for timestamp, contents in self.past if timestamp >= self.database.oldest]
        if known:
            timestamp, contents = data.draw(st.sampled_from(known))
            contents = copied(contents)
            for commit in self.database.commits_after(timestamp):
                for table in commit.replaced:
                    contents[table] = {}
                for table, part in commit.parts:
                    contents[table].update({each["_id"]: each for each in part.segment.documents(range(len(part)))})
                for write in commit.writes:
                    before = contents[write.table].pop(write.id, None)
                    assert before is write.old is None or same_value(before, write.old)
                    if write.new is not None:
                        contents[write.table][write.id] = write.new
            assert_holds(self.database, self.database.head, contents)

    @invariant()
    def the_past_is_kept(self) -> None:
        self.latest = max(self.latest, self.clock.now_ns())
        assert self.database.oldest <= max(self.began, self.latest - RETENTION_NS)

    def teardown(self) -> None:
        super().teardown()
        self.database.close()
        shutil.rmtree(self.folder)


TestDurableEngine = DurableMachine.TestCase
TestDurableEngine.settings = settings(max_examples=25, stateful_step_count=30)
