"""Two kernels over one log against the naive model of the engine: one of them is often behind, and checkpoints, the end
of the log and what it reads of the past are everywhere."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import initialize, invariant, rule, run_state_machine_as_test

from convex_nb.engine import maintenance
from convex_nb.engine.database import Database
from convex_nb.engine.postgres import upkeep
from convex_nb.engine.postgres.opening import open_shared_database
from convex_nb.engine.snapshot import Snapshot
from convex_nb.language.ids import decode_id
from tests.engine.databases import StepTimer, small_thresholds
from tests.engine.model import INDEXES, Changes, Contents, Fields, assert_holds, copied
from tests.engine.postgres.kernels import follow
from tests.engine.postgres.server import Server
from tests.engine.test_state_machine import RETENTION_NS, EngineMachine, Open

LOG_RECORDS = 6


class SharedMachine(EngineMachine):
    """The same, each transaction in one of two kernels as it is at that moment."""

    server: ClassVar[Server]
    database_name: ClassVar[str]
    schemas: ClassVar[Iterator[int]] = count(1)

    def __init__(self) -> None:
        super().__init__()
        # A schema of its own is a deployment of its own, and made much quicker than a database.
        name = f"s{next(self.schemas)}"
        self.server.execute(f"create schema {name}", self.database_name)
        self.uri = f"{self.server.uri(self.database_name)}&options=-csearch_path%3D{name}"
        self.kernels = [self.opened() for _ in range(2)]
        self.database = self.kernels[0]
        self.past = [(self.database.head.timestamp, copied(self.contents))]
        self.turns = count()
        self.changes: list[tuple[int, Changes]] = []
        self.unsettling: list[int] = []
        """When a table was replaced as a whole, or dropped."""
        self.pushes: list[int] = []

    def opened(self) -> Database:
        return open_shared_database(self.uri, clock=self.clock, retention=RETENTION_NS)

    def caught_up(self) -> Database:
        follow(self.database)
        return self.database

    def contents_at(self, timestamp: int) -> Contents:
        place = bisect_right(self.past, timestamp, key=lambda each: each[0]) - 1
        return self.past[place][1]

    # -- kernels -------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 1), what=st.sampled_from(["follows", "follows", "acts", "opens again"]))
    def kernel(self, which: int, what: str) -> None:
        """One of them follows the other; or does from now on what is not a transaction; or goes, and comes again."""
        if what == "follows":
            follow(self.kernels[which])
            return
        if what == "opens again":
            left = self.kernels[which]
            self.open = [each for each in self.open if each.transaction.database is not left]
            left.close()
            self.kernels[which] = self.opened()
            assert self.kernels[which].head.timestamp == self.past[-1][0]
        self.database = self.kernels[which]

    # -- the model, as of a kernel's moment ----------------------------------------------------------------------

    @initialize(indexes=st.lists(st.sampled_from(INDEXES), unique=True, max_size=3))
    def first_schema(self, indexes: list[Fields]) -> None:
        super().first_schema(indexes)
        follow(*self.kernels)

    def begin(self) -> Open:
        database = self.kernels[next(self.turns) % 2]
        timestamp = database.head.timestamp
        each = Open(database.begin(), copied(self.contents_at(timestamp)))
        for when, changes in self.changes:
            if when > timestamp:
                each.since += changes
        each.must_fail = any(when > timestamp for when in self.pushes)
        each.may_fail = any(when > timestamp for when in self.unsettling)
        self.open.append(each)
        return each

    def ids_known_to(self, each: Open) -> list[tuple[str, str]]:
        names = each.transaction.database.table_names
        return [(table, id) for table, id in self.ids if names.get(decode_id(id)[0]) == table]

    def others_were_first(self, head: Snapshot) -> bool:
        # Up to the newest checkpoint where the records before it are gone: what conflicts with that reads no further.
        return head.timestamp < self.database.head.timestamp <= self.past[-1][0]

    def push(self, table: str, indexes: list[Fields]) -> None:
        before = len(self.past)
        super().push(table, indexes)
        if len(self.past) > before:
            self.pushes.append(self.past[-1][0])

    def push_what_does_not_fit(self) -> None:
        self.caught_up()
        super().push_what_does_not_fit()

    def bring_in(self, table: str, documents: list[dict[str, Any]], replace: bool) -> None:
        self.caught_up()
        super().bring_in(table, documents, replace)
        if replace:
            self.unsettling.append(self.past[-1][0])

    def drop(self, table: str) -> None:
        if table in self.caught_up().head.tables:
            super().drop(table)
            self.unsettling.append(self.past[-1][0])

    def changed(self, changes: Changes) -> None:
        super().changed(changes)
        self.changes.append((self.past[-1][0], changes))

    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        self.caught_up()
        super().look_back(data)

    # -- always --------------------------------------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        for database in self.kernels:
            database.check()
            assert_holds(database, database.head, self.contents_at(database.head.timestamp))
            self.numbers |= {state.number: name for name, state in database.head.tables.items()}
        assert len({*self.numbers.values()}) == len(self.numbers)

    def teardown(self) -> None:
        try:
            follow(*self.kernels)
            assert {database.head.timestamp for database in self.kernels} == {self.past[-1][0]}
            self.all_is_well()
            super().teardown()
        finally:
            for database in self.kernels:
                database.close()


@pytest.fixture
def machine(server: Server, uri: str, monkeypatch: pytest.MonkeyPatch) -> type[SharedMachine]:
    small_thresholds(monkeypatch)
    monkeypatch.setattr(maintenance, "monotonic", StepTimer())
    monkeypatch.setattr(upkeep, "LOG_RECORDS", LOG_RECORDS)
    SharedMachine.server = server
    SharedMachine.database_name = uri.split("@/")[1].split("?")[0]
    return SharedMachine


def test_two_kernels_against_the_model(machine: type[SharedMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=4, stateful_step_count=40))


@pytest.mark.soak
@pytest.mark.parametrize("_", range(10))
def test_two_kernels_against_the_model_for_long(machine: type[SharedMachine], _: int) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=100, stateful_step_count=50))
