from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from convex_nb.engine import merge
from convex_nb.engine.database import Database
from convex_nb.engine.part import Part
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.table import TableState
from convex_nb.engine.table_index import table_indexes
from convex_nb.language.documents import Document
from convex_nb.language.errors import IndexNotFoundError
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.schema import define_table
from convex_nb.language.validators import v
from tests.engine.databases import import_all, insert_all, items_schema, make_database, numbers, transact


def layered(
    seed: int, *, recent: int = 20, imported: tuple[int, ...] = (60, 20), dead: int = 10, taken: int = 0
) -> Database:
    """Documents in several segments and none, some updated and some deleted since, and some taken from both ends."""
    chance = random.Random(seed)
    database = make_database(items_schema("n"))
    for size in imported:
        import_all(database, "items", [{"n": chance.randrange(50)} for _ in range(size)])
    if recent:
        insert_all(database, "items", [{"n": chance.randrange(50)} for _ in range(recent)])
    ids = [document["_id"] for document in contents(database.head.tables["items"])]
    for id in chance.sample(ids, min(dead, len(ids))):
        if chance.random() < 0.5:
            transact(database, lambda db: db.delete(id))  # noqa: B023
        else:
            transact(database, lambda db: db.patch(id, {"n": chance.randrange(50)}))  # noqa: B023
    ids = [document["_id"] for document in contents(database.head.tables["items"])]
    for id in [*ids[:taken], *ids[len(ids) - taken :]]:
        transact(database, lambda db: db.delete(id))  # noqa: B023
    return database


def contents(state: TableState) -> list[Any]:
    return list(state.scan(1, MIN_KEY, MAX_KEY, reverse=False))


def test_the_automatic_indexes_come_first() -> None:
    definition = define_table(v.any()).index("by_n", ["n"]).index("later", ["m"], staged=True)
    assert [index.name for index in table_indexes(definition)] == ["by_id", "by_creation_time", "by_n"]
    assert [index.fields for index in table_indexes(None)] == [("_id",), ("_creationTime",)]


def test_positions() -> None:
    state = TableState.create("items", 10001, define_table(v.any()).index("by_n", ["n"]))
    assert [state.position(name) for name in ("by_id", "by_creation_time", "by_n")] == [0, 1, 2]
    with pytest.raises(IndexNotFoundError) as caught:
        state.position("by_m")
    assert (caught.value.table, caught.value.index) == ("items", "by_m")
    assert caught.value.available == ("by_id", "by_creation_time", "by_n")


@pytest.mark.parametrize("short", [0, 512])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "layers",
    [
        {"imported": (), "dead": 5},
        {"imported": (80,), "recent": 0, "dead": 0},
        {"imported": (80,), "recent": 1, "dead": 0},
        {"imported": (80,), "recent": 0, "dead": 3},
        {"imported": (80,), "recent": 3, "dead": 5},
        {"imported": (80, 5), "recent": 2, "dead": 5},
        {"imported": (30, 30, 30), "recent": 30, "dead": 0},
        {"imported": (30, 30, 30), "recent": 30, "dead": 40},
        {"imported": (40,), "recent": 0, "dead": 40},
        {"imported": (90,), "recent": 0, "dead": 5, "taken": 30},
        {"imported": (70, 20), "recent": 10, "dead": 5, "taken": 25},
    ],
)
def test_every_way_of_reading_gives_the_same(
    monkeypatch: pytest.MonkeyPatch, layers: dict[str, Any], reverse: bool, short: int
) -> None:
    monkeypatch.setattr(merge, "SHORT", short)
    monkeypatch.setattr(merge, "WORTHWHILE", 3)
    state = layered(1, **layers).head.tables["items"]
    chance = random.Random(2)
    for position, index in enumerate(state.indexes):
        expected = sorted(contents(state), key=index.key_of)
        keys = [index.key_of(document) for document in expected]
        for _ in range(6):
            ends = [*chance.choices(keys, k=2), MIN_KEY, MAX_KEY, chance.choice(keys) + b"\x00"]
            lo, hi = sorted(chance.sample(ends, 2))
            inside = [document for document in expected if lo <= index.key_of(document) < hi]
            if reverse:
                inside.reverse()
            for limit in (None, 0, 1, 7, len(inside), len(inside) + 1):
                assert state.read(position, lo, hi, limit, reverse) == inside[:limit], (index.name, lo, hi, limit)
            assert list(state.scan(position, lo, hi, reverse)) == inside
            assert state.count(position, lo, hi) == len(inside)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "layers",
    [
        {"imported": (6_000,), "recent": 0, "dead": 0},
        {"imported": (6_000,), "recent": 1, "dead": 0},
        {"imported": (6_000,), "recent": 0, "dead": 5},
        {"imported": (6_000,), "recent": 3, "dead": 8},
        {"imported": (6_000, 1_000), "recent": 0, "dead": 0},
        {"imported": (6_000, 1_000), "recent": 3, "dead": 8},
        {"imported": (6_000,), "recent": 0, "dead": 0, "taken": 50},
    ],
)
def test_a_scan_decodes_each_row_once(monkeypatch: pytest.MonkeyPatch, layers: dict[str, Any], reverse: bool) -> None:
    state = layered(3, **layers).head.tables["items"]
    decoded = 0
    documents = Segment.documents

    def counted(self: Segment, rows: Any) -> list[Document]:
        nonlocal decoded
        found = documents(self, rows)
        decoded += len(found)
        return found

    def counting(document: Callable[[int], Document]) -> Callable[[int], Document]:
        def counted_one(row: int) -> Document:
            nonlocal decoded
            decoded += 1
            return document(row)

        return counted_one

    monkeypatch.setattr(merge, "SHORT", 50)
    monkeypatch.setattr(Segment, "documents", counted)
    for part in state.parts:
        monkeypatch.setattr(part.segment, "document", counting(part.segment.document))
    for position in (1, 2):
        decoded = 0
        total = len(list(state.scan(position, MIN_KEY, MAX_KEY, reverse)))
        assert decoded <= 2 * total
        decoded = 0
        assert len(state.read(position, MIN_KEY, MAX_KEY, 100, reverse)) == 100
        assert decoded <= 300


@pytest.mark.parametrize("reverse", [False, True])
def test_what_was_taken_from_one_end_is_not_passed_one_by_one(reverse: bool) -> None:
    database = make_database(items_schema("n"))
    import_all(database, "items", [{"n": n} for n in range(3_000)])
    documents = list(database.head.tables["items"].scan(1, MIN_KEY, MAX_KEY, reverse))
    transact(database, lambda db: [db.delete(document["_id"]) for document in documents[:2_500]])
    state = database.head.tables["items"]
    for position in (1, 2):
        run = state.parts[0].run(position)
        looks: list[int] = []
        key_at = run.key
        run.key = lambda i, looks=looks, key_at=key_at: looks.append(i) or key_at(i)  # type: ignore[misc]
        assert state.read(position, MIN_KEY, MAX_KEY, 1, reverse) == documents[2_500:2_501]
        run.key = key_at
        assert len(looks) < 100


def test_documents_are_found_by_id() -> None:
    state = layered(4).head.tables["items"]
    for document in contents(state):
        assert state.get(document["_id"]) == document
        assert state.owns(document["_id"])
    for garbage in ("", "x", "\x00", "\ud800", "j57" + "0" * 29, "é" * 32):
        assert state.get(garbage) is None
        assert not state.owns(garbage)


def test_a_state_never_changes() -> None:
    database = layered(5)
    before = database.head.tables["items"]
    documents = contents(before)
    transact(database, lambda db: [db.delete(document["_id"]) for document in documents])
    import_all(database, "items", [{"n": 1}])
    assert contents(before) == documents
    assert len(before) == len(documents)
    assert len(database.head.tables["items"]) == 1


def test_what_a_part_holds() -> None:
    database = make_database(items_schema("n"))
    part: Part = import_all(database, "items", [{"n": n} for n in range(5)]).parts[0][1]
    state = database.head.tables["items"]
    assert (len(part), part.dead_rows()) == (5, [])
    document = part.segment.document(2)
    buried = part.bury(state.keys_of(document), 2)
    assert (len(buried), buried.dead_rows()) == (4, [2])
    assert len(part) == 5
    key = state.indexes[2].key_of(document)
    assert part.touches(2, key, key + b"\x00")
    assert not part.touches(2, key + b"\x00", key + b"\x01")


def test_a_document_that_came_and_went_through_segments() -> None:
    """An update moves it out of its segment, maintenance into another one, and again."""
    database = make_database(items_schema("n"))
    ids = insert_all(database, "items", [{"n": n} for n in range(3)])
    import_all(database, "items", [{"n": n} for n in range(3, 9)])
    for n in range(100, 104):
        transact(database, lambda db: db.patch(ids[0], {"n": n}))  # noqa: B023
        state = database.head.tables["items"]
        moved = Part.build(Segment.from_documents(state.recent(), "items"), state.indexes)
        parts = (*state.parts, moved)
        tables = {"items": TableState.over("items", state.number, state.definition, state.indexes, parts)}
        database.committer.replace_head(
            lambda head: Snapshot(head.timestamp, tables, head.catalog, {})  # noqa: B023
        )
        database.check()
        assert sorted(numbers(contents(database.head.tables["items"]))) == [1, 2, *range(3, 9), n]
