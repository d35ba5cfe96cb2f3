from __future__ import annotations

import pytest

from convex_nb.engine.commit import Commit
from convex_nb.engine.database import Database
from convex_nb.engine.read_set import Dependency, Interval, ReadSet
from convex_nb.engine.reading.reader import DatabaseWriter
from convex_nb.language.keys import encode_key
from tests.engine.databases import committed, import_all, insert_all, items_schema, make_database

Spans = list[tuple[bytes, bytes]]


def read_set(*spans: tuple[bytes, bytes], index: str = "by_fields", table: str = "items") -> ReadSet:
    reads = ReadSet()
    reads.intervals = [Interval(table, index, lo, hi) for lo, hi in spans]
    return reads


@pytest.mark.parametrize(
    ("spans", "merged"),
    [
        ([], []),
        ([(b"a", b"b")], [(b"a", b"b")]),
        ([(b"a", b"b"), (b"a", b"b")], [(b"a", b"b")]),
        ([(b"c", b"d"), (b"a", b"b")], [(b"a", b"b"), (b"c", b"d")]),
        ([(b"a", b"c"), (b"b", b"d")], [(b"a", b"d")]),
        ([(b"a", b"b"), (b"b", b"c")], [(b"a", b"c")]),
        ([(b"a", b"z"), (b"b", b"c"), (b"d", b"e")], [(b"a", b"z")]),
        ([(b"", b"\xff"), (b"b", b"c")], [(b"", b"\xff")]),
        ([(b"b", b"b"), (b"a", b"c")], [(b"a", b"c")]),
    ],
)
def test_intervals_are_merged(spans: Spans, merged: Spans) -> None:
    reads = read_set(*spans)
    assert [(interval.lo, interval.hi) for interval in reads] == merged


def test_merging_follows_later_reads() -> None:
    reads = read_set((b"a", b"b"))
    assert len(list(reads)) == 1
    reads.intervals.append(Interval("items", "by_id", b"a", b"b"))
    reads.intervals.append(Interval("notes", "by_id", b"a", b"b"))
    assert len(list(reads)) == 3
    assert reads.tables() == {"items", "notes"}
    assert repr(reads) == "ReadSet(0 ids, 3 intervals)"


def test_an_empty_read_set_is_false() -> None:
    assert not ReadSet()
    assert read_set((b"a", b"b"))
    reads = ReadSet()
    reads.ids.add("x")
    assert reads


@pytest.fixture(scope="module")
def database() -> Database:
    return make_database(items_schema("a"))


@pytest.fixture(scope="module")
def commits(database: Database) -> dict[str, Commit]:
    """A document at 3, moved to 5, deleted; and an import of 8 and 9."""
    (id,) = insert_all(database, "items", [{"a": 1}])
    inserted = committed(database, lambda db: db.insert("items", {"a": 3}))
    id = inserted.writes[0].id

    def move(db: DatabaseWriter) -> None:
        db.patch(id, {"a": 5})

    return {
        "insert": inserted,
        "move": committed(database, move),
        "delete": committed(database, lambda db: db.delete(id)),
        "import": import_all(database, "items", [{"a": 8}, {"a": 9}]),
    }


def key(value: int) -> bytes:
    return encode_key(value)


@pytest.mark.parametrize(
    ("span", "touching"),
    [
        ((key(3), key(4)), {"insert", "move"}),
        ((key(0), key(3)), set()),
        ((key(4), key(6)), {"move", "delete"}),
        ((key(5), key(5)), set()),
        ((key(6), key(8)), set()),
        ((key(6), key(9)), {"import"}),
        ((key(10), b"\xff"), set()),
        ((b"", b"\xff"), {"insert", "move", "delete", "import"}),
    ],
)
def test_old_and_new_keys_touch(commits: dict[str, Commit], span: tuple[bytes, bytes], touching: set[str]) -> None:
    for name, commit in commits.items():
        dependency = read_set(span).touched_by(commit)
        assert (dependency is not None) is (name in touching), name
        if dependency is not None:
            assert dependency == Dependency("items", None if name == "import" else commit.writes[0].id)
        assert read_set(span, table="notes").touched_by(commit) is None
        assert read_set(span, index="by_nothing").touched_by(commit) is None


def test_an_interval_begins_with_its_first_key_and_ends_before_its_last(commits: dict[str, Commit]) -> None:
    (write,) = commits["insert"].writes
    assert write.new_keys is not None
    exact = write.new_keys[2]
    for span, touching in (
        ((exact, exact + b"\x00"), True),
        ((b"", exact), False),
        ((exact + b"\x00", b"\xff"), False),
    ):
        assert (read_set(span).touched_by(commits["insert"]) is not None) is touching, span


def test_ids_touch(commits: dict[str, Commit]) -> None:
    moved = commits["move"].writes[0].id
    imported = commits["import"].parts[0][1].segment.document(0)["_id"]
    reads = ReadSet()
    reads.ids.add(moved)
    assert [name for name, commit in commits.items() if reads.touched_by(commit)] == ["insert", "move", "delete"]
    reads.ids = {imported}
    assert [name for name, commit in commits.items() if reads.touched_by(commit)] == ["import"]
    assert reads.touched_by(commits["import"]) == Dependency("items", imported)


def test_replacing_a_table_touches_its_readers_and_everybody_who_read_by_id(database: Database) -> None:
    commit = import_all(database, "items", [{"a": 8}], replace=True)
    assert read_set((key(1), key(1))).touched_by(commit) == Dependency("items", None)
    assert read_set((key(1), key(1)), table="notes").touched_by(commit) is None
    reads = ReadSet()
    reads.ids.add("anything")
    assert reads.touched_by(commit) == Dependency("items", None)


def test_the_first_change_is_named(commits: dict[str, Commit]) -> None:
    in_order = list(commits.values())
    found = read_set((key(5), key(6))).conflict(in_order)
    assert found is not None
    assert found[1] is commits["move"]
    assert ReadSet().conflict(in_order) is None
    assert read_set((key(10), key(11))).conflict(in_order) is None
