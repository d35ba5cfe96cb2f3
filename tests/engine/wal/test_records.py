"""Commits, pushes and documents as bytes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.commit import Commit, Push
from convex_nb.engine.part import Part
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.table import TableState
from convex_nb.engine.wal import records
from convex_nb.engine.wal.records import (
    CommitRecord,
    ElsewhereRecord,
    PushRecord,
    decode_documents,
    decode_record,
    encode_commit,
    encode_documents,
    encode_elsewhere,
    encode_push,
)
from convex_nb.engine.wal.rows import Blob
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.engine.write import Write
from convex_nb.language.schema import SchemaDefinition
from convex_nb.language.values import Id
from convex_nb.testing.strategies import schemas
from tests.engine.documents import documents_of, field_lists, same_documents


@given(field_lists(), st.text(max_size=5), st.lists(st.booleans(), max_size=24))
def test_a_commit_comes_back(fields: list[dict[str, Any]], source: str, deleted: list[bool]) -> None:
    documents = documents_of(fields)
    writes = [Write("tasks", d["_id"], None, d, None, ()) for d in documents]
    writes = [w._replace(new=None) if gone else w for w, gone in zip(writes, deleted, strict=False)] or writes
    made = {"tasks": TableState.create("tasks", 10001, None)}
    commit = Commit(5, tuple(writes), source, {}, (), frozenset({"b", "a"}), made, 1.5, frozenset({"b"}))
    record = decode_record(encode_commit(commit, []))
    assert isinstance(record, CommitRecord)
    assert record[:6] == (source, 1.5, {"tasks": 10001}, frozenset({"a", "b"}), frozenset({"b"}), [])
    assert [(table, id) for table, id, _ in record.writes] == [(write.table, write.id) for write in writes]
    for (_, _, new), write in zip(record.writes, writes, strict=True):
        assert new is write.new is None or same_documents([new], [write.new])  # type: ignore[list-item]
        if new is not None and write.new is not None:
            assert list(new) == list(write.new)
            assert [getattr(v, "table", None) for v in new.values()] == [
                getattr(v, "table", None) for v in write.new.values()
            ]
            assert type(new["_id"]) is Id


def test_the_segments_of_a_commit_are_named() -> None:
    part = Part.unindexed(Segment.from_documents(documents_of([{"a": 1}])), ())
    commit = Commit(5, (), "import", {}, (("a", part), ("b", part)))
    record = decode_record(encode_commit(commit, [Blob(7, 3), Blob(8, 1)]))
    assert isinstance(record, CommitRecord)
    assert record.parts == [("a", Blob(7, 3)), ("b", Blob(8, 1))]


@given(schemas() | st.none())
def test_a_push_comes_back(schema: SchemaDefinition | None) -> None:
    push = Push(5, schema, {"tasks": TableState.create("tasks", 10001, None)})
    assert decode_record(encode_push(push)) == PushRecord(schema, {"tasks": 10001})


def test_a_record_may_be_elsewhere() -> None:
    assert decode_record(encode_elsewhere(Blob(3, 4))) == ElsewhereRecord(Blob(3, 4))


@given(field_lists(), st.sampled_from([1024, 1200, 100_000]))
def test_documents_come_back_in_pieces(fields: list[dict[str, Any]], size: int) -> None:
    documents = documents_of(fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "CHUNK_BYTES", size)
        pieces = [decode_documents(piece) for piece in encode_documents("tasks", 10001, documents)]
    assert same_documents([d for piece in pieces for d in piece.documents], documents)
    assert {(piece.table, piece.number) for piece in pieces} == {("tasks", 10001)}
    assert len(pieces) == (len(documents) if size == 1024 else len(pieces))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"5", b"{}", b'{"schema":5,"created":{}}', b'{"writes":[[]]}', b"\xff", b'{"writes":{}}']
)
def test_what_is_no_record_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedError):
        decode_record(data)
    with pytest.raises(DamagedError):
        decode_documents(data)
