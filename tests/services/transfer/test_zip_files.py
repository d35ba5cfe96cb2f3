"""Files in a ZIP file: as we write them, and as Convex does."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import convex_nb
from convex_nb import Deployment, InvalidIdError, InvalidValueError
from convex_nb.engine.files.chunks import CHUNK_BYTES
from convex_nb.language.ids import encode_id

KINDS = st.sampled_from([None, "text/plain", "image/png", "application/x-nobody-knows; a=b", "audio/mpeg"])
CONTENTS = st.one_of(
    st.binary(max_size=40), st.sampled_from([b"", b"same", bytes(CHUNK_BYTES), b"\x01" * (CHUNK_BYTES + 1)])
)


def told(dep: Deployment) -> dict[str, Any]:
    return {file.id: (file.read(), file.content_type, file.sha256, file.creation_time) for file in dep.files.values()}


def written(entries: Mapping[str, Any]) -> io.BytesIO:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content if isinstance(content, bytes) else "".join(map(line, content)))
    return buffer


def line(document: Mapping[str, Any]) -> str:
    return json.dumps(document) + "\n"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(st.tuples(CONTENTS, KINDS), max_size=5), later=st.lists(CONTENTS, max_size=2))
def test_what_was_exported_comes_back(
    tmp_path: Path, files: list[tuple[bytes, str | None]], later: list[bytes]
) -> None:
    with convex_nb.open() as dep, convex_nb.open() as fresh:
        ids = [dep.files.store(data, content_type=kind) for data, kind in files]
        dep.transact(lambda db: db.insert_many("photos", [{"file": id} for id in ids]))
        path = dep.export(tmp_path / "all.zip")
        before = told(dep)
        counts = fresh.import_zip(path)
        assert told(fresh) == before
        assert counts.get("_storage", 0) == len(files)
        fresh.check()
        # What came later stays, what was deleted comes back, and what is there is left alone.
        for data in later:
            dep.files.store(data)
        for id in ids[::2]:
            dep.files.delete(id)
        extra = told(dep)
        dep.restore(path)
        assert told(dep) == {**before, **extra}
        assert [photo["file"] for photo in dep.table("photos").df().to_dict("records")] == ids
        dep.check()


def test_an_export_without_files(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        id = dep.files.store(b"abc")
        then = dep.timestamp
        for path in (
            dep.export(tmp_path / "a.zip", include_files=False),
            dep.at(then).export(tmp_path / "b.zip", include_files=False),
        ):
            with zipfile.ZipFile(path) as archive:
                assert not any("_storage/" in name for name in archive.namelist())
        dep.files.delete(id)
        dep.at(then).export(tmp_path / "c.zip")
        with zipfile.ZipFile(tmp_path / "c.zip") as archive:
            assert archive.read(f"_storage/{id}") == b"abc"


def test_the_names_and_the_digests_are_the_originals(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        id = dep.files.store(b"abc", content_type="text/plain; charset=utf-8")
        file = dep.files[id]
        with zipfile.ZipFile(dep.export(tmp_path / "a.zip")) as archive:
            assert archive.read(f"_storage/{id}.txt") == b"abc"
            assert json.loads(archive.read("_storage/documents.jsonl")) == {
                "_id": id,
                "_creationTime": file.creation_time,
                "sha256": base64.b64encode(hashlib.sha256(b"abc").digest()).decode(),
                "size": 3,
                "contentType": "text/plain; charset=utf-8",
            }


def test_an_export_of_convex_brings_ids_of_its_own() -> None:
    storage = encode_id(10_003, b"0" * 16)
    note = encode_id(10_001, b"1" * 16)
    archive = written(
        {
            "_tables/documents.jsonl": [{"name": "notes", "id": 10_001}],
            "_storage/documents.jsonl": [
                {
                    "_id": storage,
                    "_creationTime": 1700000000000.5,
                    "sha256": base64.b64encode(hashlib.sha256(b"abc").digest()).decode(),
                    "size": 3,
                    "contentType": "image/png",
                    "internalId": "0e5c7d4e-3c69-4b8e-9f7b-1b2f5f0a1c11",
                }
            ],
            f"_storage/{storage}.png": b"abc",
            "notes/documents.jsonl": [{"_id": note, "_creationTime": 1.0, "file": storage}],
        }
    )
    with convex_nb.open() as dep:
        assert dep.import_zip(archive) == {"notes": 1, "_storage": 1}
        file = dep.files[storage]
        assert (file.read(), file.content_type, file.creation_time) == (b"abc", "image/png", 1700000000000.5)
        # New ones have the same kind of id from now on, and nothing but `db.system` reads them.
        other = dep.files.store(b"new")
        assert set(dep.files) == {storage, other}
        for id in (storage, other):
            assert dep.transact(lambda db, id=id: db.system.get("_storage", id))["_id"] == id  # type: ignore[misc]
            with pytest.raises(InvalidIdError):
                dep.transact(lambda db, id=id: db.get(id))  # type: ignore[misc]
        dep.check()


def test_ids_of_another_deployment_survive_a_restart(tmp_path: Path) -> None:
    storage = encode_id(10_003, b"0" * 16)
    archive = written({"_tables/documents.jsonl": [], f"_storage/{storage}": b"abc"})
    with convex_nb.open(tmp_path / "a.convex") as dep:
        dep.import_zip(archive)
        other = dep.files.store(b"new")
    with convex_nb.open(tmp_path / "a.convex") as dep:
        assert [file.read() for file in dep.files.values()] == [b"abc", b"new"]
        assert set(dep.files) == {storage, other}
        dep.check()


def test_ids_of_two_deployments_do_not_mix() -> None:
    storage = encode_id(10_003, b"0" * 16)
    with convex_nb.open() as dep:
        dep.files.store(b"own")
        with pytest.raises(InvalidIdError, match="Import into a new deployment"):
            dep.import_zip(written({"_tables/documents.jsonl": [], f"_storage/{storage}": b"abc"}))
        assert len(dep.files) == 1


ID, OTHER = encode_id(3, b"2" * 16), encode_id(3, b"3" * 16)


@pytest.mark.parametrize(
    ("documents", "files", "says"),
    [
        ([{"_id": ID}], {}, "no entry _storage/"),
        ([{"_id": ID}, {"_id": ID}], {ID: b""}, "there twice"),
        ([{"_id": ID, "sha256": "0" * 64}], {ID: b"abc"}, "is damaged"),
        ([{"_id": ID, "sha256": "xyz"}], {ID: b"abc"}, "line 1 of _storage"),
        ([{"_id": ID, "contentType": "a\nb"}], {ID: b"abc"}, "line 1 of _storage"),
        ([{"size": 3}], {ID: b"abc"}, "no entry _storage/None"),
    ],
)
def test_what_does_not_fit_together(documents: list[Any], files: dict[str, bytes], says: str) -> None:
    archive = written(
        {
            "_tables/documents.jsonl": [],
            "_storage/documents.jsonl": documents,
            **{f"_storage/{id}": data for id, data in files.items()},
        }
    )
    with convex_nb.open() as dep:
        with pytest.raises(InvalidValueError, match=says):
            dep.import_zip(archive)
        assert len(dep.files) == 0


@pytest.mark.parametrize("names", [[ID, encode_id(4, b"2" * 16)], ["0abc"], ["x" * 31]])
def test_ids_that_are_none_of_files(names: list[str]) -> None:
    with convex_nb.open() as dep:
        with pytest.raises(InvalidIdError, match="othing was imported"):
            dep.import_zip(written({"_tables/documents.jsonl": [], **{f"_storage/{name}": b"" for name in names}}))
        assert len(dep.files) == 0


def test_a_refused_import_leaves_no_files() -> None:
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("notes", {}))
        archive = written({"notes/documents.jsonl": [{"a": 1}], f"_storage/{OTHER}": b"abc"})
        with pytest.raises(InvalidValueError, match="have documents"):
            dep.import_zip(archive)
        assert len(dep.files) == 0
        assert dep.import_zip(archive, mode="append") == {"notes": 1, "_storage": 1}
        assert dep.import_zip(archive, mode="append") == {"notes": 1, "_storage": 0}


def test_backups_and_moments_bring_files_back(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        first = dep.files.store(b"first", content_type="text/plain")
        backup = dep.backup(tmp_path / "b.convex")
        then = dep.timestamp
        before = told(dep)
        second = dep.files.store(b"second")
        for source in (backup, then):
            dep.files.delete(first)
            assert dep.restore(source)["_storage"] == 1
            assert {id: file for id, file in told(dep).items() if id != second} == before
            assert dep.files[second].read() == b"second"
        dep.check()
