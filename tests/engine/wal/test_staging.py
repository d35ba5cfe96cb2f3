"""Blobs that are written ahead of the record that refers to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from convex_nb.engine.commit import Push
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.wal.checkpoint import Copies
from convex_nb.engine.wal.segment_chunks import segment_of_chunks
from convex_nb.engine.wal.staging import Staging
from convex_nb.engine.wal.storage_file import StorageFile
from convex_nb.language.documents import Document
from convex_nb.language.ids import encode_id
from tests.engine.wal.files import ROOT, small_files


def segment() -> Segment:
    return Segment.from_documents([Document({"_id": encode_id(7, bytes(16)), "_creationTime": 1.0, "n": 1})], "items")


def test_a_blob_is_kept_until_a_record_refers_to_it_or_its_object_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_files(monkeypatch)
    known: list[tuple[set[int], bool]] = []
    file = StorageFile.build(tmp_path / "new", lambda point: known.append((staging.numbers(), "written" in point)))
    staging = Staging(file, Copies(0))
    with file.transaction("create"):
        file.write_first_root(ROOT)
    known.clear()
    entry, first, second = Push(1, None, {}), segment(), segment()
    long = staging.write_entry(entry, bytes(2000))
    # Upkeep that looks at any moment finds that it is wanted.
    assert known == [({1}, written) for _ in range(long.chunks) for written in (True, False)]
    assert b"".join(file.chunks(long)) == bytes(2000)
    for each in (first, second):
        staging.write_segment("items", 7, each)
    blob = staging.find(first)
    assert blob is not None
    assert list(segment_of_chunks(file.chunks(blob)).documents(range(1))) == list(first.documents(range(1)))
    assert staging.numbers() == {1, 2, 3}
    assert staging.drop_unwanted() == []
    staging.referred_to(blob.number)
    assert (staging.find(first), staging.numbers()) == (None, {1, 3})
    # Of another kernel's, or after a checkpoint: nothing that is known here.
    staging.referred_to(99)
    del entry, second, each
    assert sorted(staging.drop_unwanted()) == [1, 3]
    assert staging.numbers() == set()
    file.close()
