"""Segments as chunks."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.wal import segment_chunks
from convex_nb.engine.wal.rows import CHUNK_BYTES
from convex_nb.engine.wal.segment_chunks import read_rows, segment_of_chunks, segment_to_chunks
from convex_nb.engine.wal.storage_errors import DamagedError
from convex_nb.language.values import Id
from tests.engine.documents import documents_of, field_lists, id_of, same_documents


@given(field_lists(), st.sampled_from([1, 60, 300, CHUNK_BYTES]))
def test_every_document_comes_back(fields: list[dict[str, Any]], size: int) -> None:
    rows = documents_of(fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_chunks, "CHUNK_BYTES", size)
        patch.setattr(segment_chunks, "_OVERHEAD", 0)
        segment = Segment.from_documents(rows)
        chunks = list(segment_to_chunks(segment, "t", 5))
    assert len(chunks) == len(rows) or size > 1
    back = segment_of_chunks(chunks)
    assert back.layout == segment.layout
    assert same_documents(back.documents(range(back.num_rows)), segment.documents(range(segment.num_rows)))
    back.check()


@given(field_lists())
def test_every_chunk_can_be_read_alone(fields: list[dict[str, Any]]) -> None:
    rows = documents_of(fields)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_chunks, "CHUNK_BYTES", 200)
        patch.setattr(segment_chunks, "_OVERHEAD", 0)
        segment = Segment.from_documents(rows)
        pieces = [read_rows(chunk) for chunk in segment_to_chunks(segment, "t", 5)]
    first = 0
    for table, number, start, columns in pieces:
        assert (table, number, start) == ("t", 5, first)
        piece = Segment(columns)
        assert same_documents(
            piece.documents(range(piece.num_rows)), segment.documents(range(first, first + piece.num_rows))
        )
        first += piece.num_rows
    assert first == segment.num_rows


def test_a_chunk_has_at_most_a_megabyte() -> None:
    # Values that do not compress, a few large ones among them.
    source = random.Random(1)
    rows = documents_of([{"data": source.randbytes(source.choice([10, 1000, 400_000]))} for _ in range(200)])
    chunks = list(segment_to_chunks(Segment.from_documents(rows), "t", 5))
    assert max(map(len, chunks)) <= CHUNK_BYTES
    # None is so short that it could have gone with the next one.
    assert all(len(a) + len(b) > CHUNK_BYTES // 2 for a, b in pairwise(chunks[:-1]))


@pytest.mark.parametrize("data", [b"", b"x", b"\xff\xff\xff\xff", b"\xff" * 5000, b"{}", bytes(100)])
def test_what_is_no_chunk_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedError):
        read_rows(data)
    with pytest.raises(DamagedError):
        segment_of_chunks([data])


def test_no_chunk_at_all_is_damage() -> None:
    with pytest.raises(DamagedError):
        segment_of_chunks([])


def test_ids_keep_their_table() -> None:
    rows = documents_of([{"of": id_of(1, "others")}])
    back = segment_of_chunks(segment_to_chunks(Segment.from_documents(rows), "t", 5))
    found = back.document(0)["of"]
    assert isinstance(found, Id)
    assert found.table == "others"
