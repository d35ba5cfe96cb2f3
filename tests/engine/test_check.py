"""Every invariant that is broken is noticed, and shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.indexes.sorted_chunks import Lists, SortedChunks
from convex_nb.engine.part import Part
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.snapshot import Snapshot
from convex_nb.engine.table import TableState
from tests.engine.databases import import_all, insert_all, items_schema, make_database, transact


@pytest.fixture
def database() -> Database:
    """Four documents in a segment, one of them dead, and two in none."""
    database = make_database(items_schema("n"))
    commit = import_all(database, "items", [{"n": n, "x": float("nan")} for n in range(4)])
    insert_all(database, "items", [{"n": 4}])
    transact(database, lambda db: db.patch(commit.parts[0][1].segment.document(0)["_id"], {"n": 9}))
    return database


def changed(state: TableState, **changes: Any) -> TableState:
    fields = {name: getattr(state, name) for name in ("name", "number", "definition", "indexes", "parts", "live")}
    return TableState(**{**fields, **changes})


def replaced(items: tuple[Any, ...], place: int, item: Any) -> tuple[Any, ...]:
    return (*items[:place], item, *items[place + 1 :])


def a_document_missing_from_an_index(state: TableState) -> TableState:
    key, _ = next(iter(state.live[2]))
    return changed(state, live=replaced(state.live, 2, state.live[2].remove(key)))


def a_document_twice(state: TableState) -> TableState:
    document = state.parts[0].segment.document(1)
    pairs = zip(state.live, state.keys_of(document), strict=True)
    return changed(state, live=tuple([chunks.insert(key, document) for chunks, key in pairs]))


def a_wrong_key(state: TableState) -> TableState:
    key, document = next(iter(state.live[2]))
    return changed(state, live=replaced(state.live, 2, state.live[2].remove(key).insert(b"\x03" + key, document)))


def another_content(state: TableState) -> TableState:
    key, document = next(iter(state.live[2]))
    other = type(document)({**document, "extra": 1})
    return changed(state, live=replaced(state.live, 2, state.live[2].insert(key, other)))


def a_row_that_is_dead_in_one_index_only(state: TableState) -> TableState:
    part = state.parts[0]
    nothing: SortedChunks[int] = SortedChunks.empty()
    runs = [part.run_or_fields(place) for place in range(3)]
    return changed(state, parts=(Part(part.segment, runs, replaced(part.dead, 2, nothing)),))


def a_dead_key_of_no_row(state: TableState) -> TableState:
    return changed(state, parts=(state.parts[0].bury((b"\x10x\x00", b"x", b"x"), 2),))


def a_run_of_another_index(state: TableState) -> TableState:
    part = state.parts[0]
    return changed(state, parts=(Part(part.segment, [part.run(0), part.run(1), part.run(1)], part.dead),))


def a_broken_map(state: TableState) -> TableState:
    broken: SortedChunks[Any] = SortedChunks(Lists([b"b"], [[b"b", b"a"]], [[1, 2]], 2))
    return changed(state, live=replaced(state.live, 2, broken))


def a_segment_of_others(state: TableState) -> TableState:
    document = type(state.parts[0].segment.document(0))({**state.parts[0].segment.document(1), "n": 77})
    part = Part.build(Segment.from_documents([document], "items"), state.indexes)
    return changed(state, parts=(*state.parts, part))


@pytest.mark.parametrize(
    "breaks",
    [
        a_document_missing_from_an_index,
        a_document_twice,
        a_wrong_key,
        another_content,
        a_row_that_is_dead_in_one_index_only,
        a_dead_key_of_no_row,
        a_run_of_another_index,
        a_broken_map,
        a_segment_of_others,
        lambda state: changed(state, name="others"),
        lambda state: changed(state, number=5),
    ],
    ids=lambda breaks: breaks.__name__,
)
def test_a_broken_table_is_noticed(database: Database, breaks: Callable[[TableState], TableState]) -> None:
    database.check()

    def install(head: Snapshot) -> Snapshot:
        tables = {**head.tables, "items": breaks(head.tables["items"])}
        return Snapshot(head.timestamp, tables, head.catalog, head.dropped)

    database.committer.replace_head(install)
    with pytest.raises((AssertionError, KeyError)):
        database.check()


def test_statistics() -> None:
    database = make_database(items_schema("n"))
    commit = import_all(database, "items", [{"n": n} for n in range(4)])
    transact(database, lambda db: db.delete(commit.parts[0][1].segment.document(0)["_id"]))
    insert_all(database, "items", [{"n": 4}] * 3)
    figures = database.statistics()
    items = figures.tables["items"]
    assert (items.documents, items.segments, items.recent, items.dead) == (6, 1, 3, 1)
    assert items.nbytes > 0
    assert (figures.commits, figures.conflicts, figures.history, figures.snapshots) == (3, 0, 3, 2)
    assert figures.timestamp == database.head.timestamp
    assert figures.subscriptions.tokens == 0
