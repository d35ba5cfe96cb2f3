"""Where searches look: segments without their dead rows, and recent documents."""

from __future__ import annotations

from typing import Any

from convex_nb.engine.search.sources import sources_of
from convex_nb.engine.snapshot import Snapshot
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import import_all, insert_all, make_database, numbers, transact

TABLE = "items"


def held(snapshot: Snapshot) -> list[Any]:
    """What the sources hold, number by number."""
    found = []
    for source in sources_of(snapshot.tables[TABLE]):
        alive = range(source.segment.num_rows) if source.alive is None else source.alive.nonzero()[0].tolist()
        documents = source.documents(list(alive))
        assert [source.id(row) for row in alive] == [document["_id"] for document in documents]
        assert [float(source.times[row]) for row in alive] == [document["_creationTime"] for document in documents]
        found += numbers(documents)
    return sorted(found)


def test_every_snapshot_has_its_own_documents() -> None:
    """Each is looked at right after its commit, so that what was made for one could be taken for the next."""
    database = make_database(define_schema({TABLE: define_table(v.any())}))
    import_all(database, TABLE, [{"n": n} for n in range(4)])
    insert_all(database, TABLE, [{"n": n} for n in range(4, 8)])
    ids = {
        document["n"]: document["_id"] for document in database.head.tables[TABLE].scan(1, b"", b"\xff", reverse=False)
    }
    expected: list[tuple[Snapshot, list[int]]] = [(database.head, list(range(8)))]
    for number in (1, 5, 3):
        assert held(database.head) == expected[-1][1]
        transact(database, lambda db, number=number: db.delete(ids[number]))  # type: ignore[misc]
        expected.append((database.head, [n for n in expected[-1][1] if n != number]))
    transact(database, lambda db: db.patch(ids[0], {"n": 10}))
    expected.append((database.head, [2, 4, 6, 7, 10]))
    for snapshot, content in [*expected, *expected[::-1]]:
        assert held(snapshot) == content


def test_recent_documents_are_the_very_ones() -> None:
    database = make_database(define_schema({TABLE: define_table(v.any())}))
    insert_all(database, TABLE, [{"n": 1}, {"n": 2}])
    state = database.head.tables[TABLE]
    (source,) = sources_of(state)
    assert all(one is other for one, other in zip(source.documents([0, 1]), state.recent(), strict=True))
    assert sources_of(state) is sources_of(state)
