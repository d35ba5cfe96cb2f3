"""The engine against a naive model, over every order of steps that Hypothesis thinks of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from convex_nb.engine import maintenance
from convex_nb.engine.committer import Conflict
from convex_nb.engine.reading.query import OrderedQuery
from convex_nb.engine.reading.reader import DatabaseWriter
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.transaction import Savepoint, Transaction
from convex_nb.language.errors import DocumentNotFoundError, SchemaValidationError
from convex_nb.language.ordering import compare_values
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import UNDEFINED
from tests.engine.databases import StepTimer, TickingClock, import_all, make_database, small_thresholds
from tests.engine.model import (
    DOCUMENTS,
    INDEXES,
    TABLES,
    VALUES,
    Bounds,
    Changes,
    Consumed,
    Contents,
    Fields,
    Reads,
    assert_holds,
    bounds_of,
    changed,
    copied,
    index_name,
    range_function,
    same_documents,
    select,
)

RETENTION_NS = 2_000_000
MOST_OPEN = 3
EVERYTHING = 100_000
OPERATIONS = ["insert", "read", "read", "get", "patch", "patch", "replace", "delete", "save", "roll back"]


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        small_thresholds(patch)
        patch.setattr(maintenance, "monotonic", StepTimer())
        yield


@dataclass
class Open:
    """A transaction beside what the model knows of it."""

    transaction: Transaction
    contents: Contents
    reads: Reads = field(default_factory=Reads)
    written: dict[str, str] = field(default_factory=dict)
    """The table of each id that was written."""
    saved: list[tuple[Savepoint, Contents, dict[str, str]]] = field(default_factory=list)
    since: Changes = field(default_factory=list)
    """What others committed since it began."""
    unfinished: list[Iterator[Any]] = field(default_factory=list)
    """Iterations that were left where they were."""
    may_fail: bool = False
    """Somebody replaced a whole table: the engine may refuse more than it must."""
    must_fail: bool = False

    def __post_init__(self) -> None:
        self.db = DatabaseWriter(self.transaction)
        self.before = copied(self.contents)

    def changes(self) -> Changes:
        """The net changes: a document that was inserted and deleted again is not among them."""
        pairs = [
            (table, self.before[table].get(id), self.contents[table].get(id)) for id, table in self.written.items()
        ]
        return [(table, old, new) for table, old, new in pairs if old is not None or new is not None]


class EngineMachine(RuleBasedStateMachine):
    """Several transactions at once, maintenance at any moment, and a past that stays what it was."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = TickingClock()
        self.database = make_database(clock=self.clock, retention=RETENTION_NS)
        self.contents: Contents = {table: {} for table in TABLES}
        self.indexes: dict[str, tuple[Fields, ...]] = dict.fromkeys(TABLES, ())
        self.open: list[Open] = []
        self.ids: list[tuple[str, str]] = []
        self.past: list[tuple[int, Contents]] = [(self.database.head.timestamp, copied(self.contents))]
        self.held: list[tuple[Snapshot, Contents]] = []
        self.numbers: dict[int, str] = {}

    # -- the schema --------------------------------------------------------------------------------------------

    def schema(self) -> SchemaDefinition:
        tables = {}
        for table, indexes in self.indexes.items():
            definition = define_table(v.any())
            for fields in indexes:
                definition = definition.index(index_name(fields), list(fields))
            tables[table] = definition
        return define_schema(tables)

    @initialize(indexes=st.lists(st.sampled_from(INDEXES), unique=True, max_size=3))
    def first_schema(self, indexes: list[Fields]) -> None:
        self.push(TABLES[0], indexes)

    def push(self, table: str, indexes: list[Fields]) -> None:
        self.indexes[table] = tuple(indexes)
        if self.database.push_schema(self.schema()):
            self.happened()
            for each in self.open:
                each.must_fail = True

    def push_what_does_not_fit(self) -> None:
        head = self.database.head
        strict = define_schema({"items": define_table({"nobody_has_this": v.string()})})
        with pytest.raises(SchemaValidationError) as caught:
            self.database.push_schema(strict)
        assert caught.value.document_id in self.contents["items"]
        assert self.database.head is head

    # -- one transaction ---------------------------------------------------------------------------------------

    @initialize(documents=st.lists(DOCUMENTS, max_size=20), imported=st.lists(DOCUMENTS, max_size=10))
    def fill(self, documents: list[dict[str, Any]], imported: list[dict[str, Any]]) -> None:
        if documents:
            each = self.begin()
            self.insert(each, "items", documents)
            self.commit(each)
        if imported:
            self.bring_in("items", imported, replace=False)

    def begin(self) -> Open:
        self.open.append(Open(self.database.begin(), copied(self.contents)))
        return self.open[-1]

    def operate(self, data: st.DataObject, each: Open) -> None:
        operation = data.draw(st.sampled_from(OPERATIONS))
        table = data.draw(st.sampled_from(TABLES))
        if operation == "insert":
            self.insert(each, table, data.draw(st.lists(DOCUMENTS, min_size=1, max_size=4)))
        elif operation == "read":
            self.read(data, each, table)
        elif operation == "save":
            each.saved.append((each.transaction.savepoint(), copied(each.contents), dict(each.written)))
        elif operation == "roll back":
            if each.saved:
                savepoint, each.contents, each.written = each.saved.pop()
                each.transaction.rollback_to(savepoint)
        elif ids := self.ids_known_to(each):
            self.touch(data, each, operation, ids)

    def ids_known_to(self, each: Open) -> list[tuple[str, str]]:
        return self.ids

    def insert(self, each: Open, table: str, documents: list[dict[str, Any]]) -> None:
        for document, id in zip(documents, each.db.insert_many(table, documents), strict=True):
            state = each.transaction.table(table)
            whole = None if state is None else state.get(id)
            assert whole is not None
            assert same_documents([{**document, **system_fields(whole)}], [whole])
            each.contents[table][id] = whole
            each.written[id] = table
            self.ids.append((table, id))

    def touch(self, data: st.DataObject, each: Open, how: str, ids: list[tuple[str, str]]) -> None:
        table, id = data.draw(st.sampled_from(ids))
        document = data.draw(DOCUMENTS)
        each.reads.ids.add(id)
        old = each.contents[table].get(id)
        if how == "get":
            found = each.db.get(table, id)
            assert (found is None) if old is None else same_documents([found], [old])
            return
        removed = data.draw(st.sampled_from(["a", "b", "c", None])) if how == "patch" else None
        arguments = () if how == "delete" else ({**document, removed: UNDEFINED} if removed else document,)
        if old is None:
            with pytest.raises(DocumentNotFoundError):
                getattr(each.db, how)(table, id, *arguments)
            return
        getattr(each.db, how)(table, id, *arguments)
        each.written[id] = table
        if how == "delete":
            del each.contents[table][id]
        else:
            new = {**(old if how == "patch" else system_fields(old)), **document}
            new.pop(removed, None)
            each.contents[table][id] = new

    def read(self, data: st.DataObject, each: Open, table: str) -> None:
        how = data.draw(st.sampled_from(["collect", "take", "first", "count", "iterate", "leave"]))
        reverse = data.draw(st.booleans())
        n = data.draw(st.integers(0, 12))
        kept = data.draw(st.none() | VALUES)
        state = each.transaction.snapshot.tables.get(table)
        indexes = () if state is None else tuple([index.fields for index in state.indexes[2:]])
        fields = data.draw(st.sampled_from([("_creationTime",), *indexes]))
        bounds: Bounds = data.draw(bounds_of(fields)) if fields != ("_creationTime",) else ()
        query: OrderedQuery = each.db.query(table)
        if fields != ("_creationTime",):
            query = each.db.query(table).with_index(index_name(fields), range_function(bounds))
        if reverse:
            query = query.order("desc")
        expected = select(each.contents[table].values(), fields, bounds, reverse)
        if kept is not None:
            query = query.filter(lambda q: q.field("a") <= kept)
            expected = [d for d in expected if compare_values(d.get("a", UNDEFINED), kept) <= 0]
        limit = {"take": n, "first": 1, "iterate": n, "leave": n}.get(how, len(expected) + 1)
        if how == "count":
            assert query.count() == len(expected)
        elif how == "first":
            first = query.first()
            assert same_documents([] if first is None else [first], expected[:1])
        else:
            iteration = iter(query)
            if how == "leave":
                each.unfinished.append(iteration)
            found = query.collect() if how == "collect" else query.take(n) if how == "take" else some(iteration, n)
            del iteration
            assert same_documents(found, expected[:limit]), (found, expected[:limit])
        if limit:
            stopped = expected[limit - 1] if limit <= len(expected) else None
            each.reads.ranges.append(Consumed(table, fields, bounds, reverse, stopped))

    @rule(data=st.data())
    def race(self, data: st.DataObject) -> None:
        """Some transactions side by side; they end in this step or stay open over others."""
        while len(self.open) < MOST_OPEN:
            self.begin()
        for turn in data.draw(st.lists(st.integers(0, MOST_OPEN - 1), min_size=3, max_size=10)):
            self.operate(data, self.open[turn])
        staying = data.draw(st.sampled_from([None, None, *self.open]))
        for each in data.draw(st.permutations(self.open)):
            if each is not staying:
                self.commit(each)

    # -- commits -----------------------------------------------------------------------------------------------

    def commit(self, each: Open) -> None:
        self.open.remove(each)
        self.database = each.transaction.database
        changes = each.changes()
        assert {write.id for write in each.transaction.writes} == {(old or new)["_id"] for _, old, new in changes}
        touched = each.reads.touched_by(each.since)
        too_old = each.transaction.snapshot.timestamp < self.database.history.floor
        head = self.database.head
        try:
            commit = self.database.commit(each.transaction)
        except Conflict:
            commit = None
            refused = True
        else:
            refused = False
        if refused:
            too_old |= each.transaction.snapshot.timestamp < self.database.history.floor
            assert touched or each.must_fail or each.may_fail or too_old, (
                f"{each.reads} was not touched by {each.since}"
            )
            assert self.database.head is head or self.others_were_first(head)
        elif commit is None:
            assert not changes
        else:
            assert not touched, f"{each.reads} was touched by {each.since}"
            assert not each.must_fail
            assert not too_old
            assert changes
            assert commit.timestamp > head.timestamp
            self.changed(changes)

    def others_were_first(self, head: Snapshot) -> bool:
        return False

    @rule(table=st.sampled_from(TABLES), documents=st.lists(DOCUMENTS, min_size=1, max_size=8))
    def import_some(self, table: str, documents: list[dict[str, Any]]) -> None:
        self.bring_in(table, documents, replace=False)

    def bring_in(self, table: str, documents: list[dict[str, Any]], replace: bool) -> None:
        before = self.contents[table]
        import_all(self.database, table, documents, replace)
        state = self.database.head.tables[table]
        after = {document["_id"]: document for document in state.scan(1, b"", b"\xff", reverse=False)}
        new = [document for id, document in after.items() if id not in before]
        assert same_documents([{**each, **system_fields(d)} for each, d in zip(documents, new, strict=True)], new)
        self.ids += [(table, document["_id"]) for document in new]
        gone: Changes = [(table, document, None) for document in before.values()] if replace else []
        if replace:
            for each in self.open:
                each.may_fail = True
        self.changed([*gone, *[(table, None, document) for document in new]])

    def drop(self, table: str) -> None:
        transaction = self.database.begin()
        transaction.drop(table)
        self.database.commit(transaction)
        assert table not in self.database.head.tables
        for each in self.open:
            each.may_fail = True
        self.changed([(table, document, None) for document in self.contents[table].values()])

    def changed(self, changes: Changes) -> None:
        self.contents = changed(self.contents, changes)
        for each in self.open:
            each.since += changes
        self.happened()

    def happened(self) -> None:
        self.past.append((self.database.head.timestamp, copied(self.contents)))

    # -- upkeep and the past -----------------------------------------------------------------------------------

    @rule(steps=st.sampled_from([0, 1, 7, 40, EVERYTHING]))
    def maintain(self, steps: int) -> None:
        """Merges are left half done, and gone on with after whatever happens then."""
        timestamp = self.database.head.timestamp
        more = self.database.maintain(steps + 1)
        assert self.database.head.timestamp == timestamp
        if steps == EVERYTHING:
            assert not more
            for state in self.database.head.tables.values():
                assert len(state.live[0]) <= 5
                assert len(state.parts) <= 3

    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        if data.draw(st.booleans()):
            self.held.append((self.database.head, copied(self.contents)))
        elif self.held:
            assert_holds(self.database, *self.held.pop(data.draw(st.integers(0, len(self.held) - 1))))
        place = data.draw(st.integers(0, len(self.past) - 1))
        timestamp, contents = self.past[place]
        later = self.past[place + 1][0] - 1 if place + 1 < len(self.past) else timestamp + 10**9
        for when in (timestamp, later):
            if when < self.database.oldest:
                with pytest.raises(LookupError):
                    self.database.at(when)
            else:
                assert_holds(self.database, self.database.at(when), contents)

    @rule(
        data=st.data(), what=st.sampled_from(["push", "misfit", "abandon", "replace", "drop", "time", "time goes back"])
    )
    def rarely(self, data: st.DataObject, what: str) -> None:
        """One rule for what ends transactions, so that most of them are not ended by it."""
        table = data.draw(st.sampled_from(TABLES))
        if what == "push":
            self.push(table, data.draw(st.lists(st.sampled_from(INDEXES), unique=True, max_size=3)))
        elif what == "misfit" and self.contents["items"]:
            self.push_what_does_not_fit()
        elif what == "abandon" and self.open:
            self.open.remove(data.draw(st.sampled_from(self.open)))
        elif what == "replace":
            self.bring_in(table, data.draw(st.lists(DOCUMENTS, min_size=1, max_size=8)), replace=True)
        elif what == "drop" and table in self.database.head.tables:
            self.drop(table)
        elif what == "time":
            self.clock.offset += data.draw(st.sampled_from([RETENTION_NS // 4, 2 * RETENTION_NS]))
        elif what == "time goes back":
            self.clock.offset -= RETENTION_NS

    # -- always ------------------------------------------------------------------------------------------------

    @invariant()
    def all_is_well(self) -> None:
        self.database.check()
        assert_holds(self.database, self.database.head, self.contents)
        self.numbers |= {state.number: name for name, state in self.database.head.tables.items()}
        assert self.numbers.items() <= dict(self.database.table_names).items()
        assert len({*self.numbers.values()}) == len(self.numbers)

    def teardown(self) -> None:
        for snapshot, contents in self.held:
            assert_holds(self.database, snapshot, contents)


def system_fields(document: Any) -> dict[str, Any]:
    return {name: document[name] for name in ("_id", "_creationTime")}


def some(iteration: Iterator[Any], n: int) -> list[Any]:
    """The first documents of an iteration, and no look at the one after them."""
    return list(islice(iteration, n)) if n else []


TestEngine = EngineMachine.TestCase
TestEngine.settings = settings(max_examples=50, stateful_step_count=30)
