"""Deployments in files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

import convex_nb
from convex_nb import Deployment, define_schema, define_table, query, v
from convex_nb.deployment.worker import Worker
from convex_nb.engine.wal import sqlite
from convex_nb.language.errors import (
    DeploymentClosedError,
    DeploymentLockedError,
    InvalidValueError,
    ReadOnlyError,
    StorageExistsError,
)

NOTES = define_schema({"notes": define_table({"text": v.string()}).index("by_text", ["text"])})


@query("notes:list")
def list_notes(ctx: convex_nb.QueryCtx) -> list[str]:
    return [note["text"] for note in ctx.db.query("notes").collect()]


def test_a_file_keeps_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "app.convex"
    with convex_nb.open(path) as dep:
        assert dep.path == path
        assert repr(dep) == "<Deployment in app.convex: 0 tables with 0 documents, 0 functions>"
        dep.push(NOTES)
        dep.transact(lambda db: db.insert("notes", {"text": "a"}))
        dep.import_table("notes", convex_nb_table(["b", "c"]))
        timestamp = dep.timestamp
        storage = dep.statistics().database.storage
        assert storage is not None
        assert storage.path == str(path)
        # A push is written down by a commit of its own, in the same append.
        assert storage.logged == 4
    assert repr(dep) == "<Deployment in app.convex: closed>"
    assert [each.name for each in tmp_path.iterdir()] == ["app.convex"]
    with convex_nb.open(str(path), durability="relaxed") as dep:
        assert dep.query(list_notes) == ["a", "b", "c"]
        assert dep.schema == NOTES
        assert dep.timestamp == timestamp
        dep.check()


def convex_nb_table(texts: list[str]) -> object:
    import pyarrow

    return pyarrow.table({"text": texts})


def test_the_past_is_there_again_as_long_as_the_file_is_to_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LOG_RECORDS", 4)
    path = tmp_path / "app.convex"
    with convex_nb.open(path, durability="relaxed", retention=timedelta(days=7)) as dep:
        moments = []
        for number in range(40):
            dep.transact(lambda db, text=f"{number}": db.insert("notes", {"text": text}))  # type: ignore[misc]
            moments.append(dep.timestamp)
        first = dep.table("notes").df()["_id"][0]
        dep.transact(lambda db: db.patch(first, {"text": "changed"}))
        while dep.work():
            pass
    for read_only in (False, True):
        with convex_nb.open(path, read_only=read_only) as dep:
            figures = dep.statistics().database
            assert figures.retention == 7 * 86_400 * 10**9
            assert figures.oldest < moments[0]
            assert dep.at(moments[4]).query(list_notes) == ["0", "1", "2", "3", "4"]
            assert dep.at(moments[4]).sql("select count(*) as n from notes").rows() == [{"n": 5}]
            assert len(dep.changes(moments[4])) == 36
            page = dep.list_snapshot(moments[4])
            assert [document["text"] for document in page["values"]] == ["0", "1", "2", "3", "4"]
            pages = [dep.document_deltas(moments[4], page_size=5)]
            while pages[-1]["hasMore"]:
                pages.append(dep.document_deltas(pages[-1]["cursor"], page_size=5))
            assert [len(each["values"]) for each in pages] == [5] * 7 + [1]
            assert [each["_ts"] for found in pages for each in found["values"]][:35] == moments[5:]
            found = dep.revisions("notes", first)
            assert [(each.timestamp, each.new and each.new["text"]) for each in found[1:]] == [(moments[0], "0")]
            assert [each.timestamp for each in dep.revisions(limit=3)] == [found[0].timestamp, *moments[:-3:-1]]
    with convex_nb.open(path) as dep:
        dep.restore(moments[4])
        assert dep.query(list_notes) == ["0", "1", "2", "3", "4"]
    with pytest.raises(InvalidValueError, match="retention is how far back"):
        convex_nb.open(path, retention=timedelta(seconds=-1))
    with pytest.raises(InvalidValueError, match="retention is how far back"):
        convex_nb.open(retention=60)  # type: ignore[arg-type]


def test_one_writes_and_others_look(tmp_path: Path) -> None:
    path = tmp_path / "app.convex"
    with convex_nb.open(path, durability="relaxed") as dep:
        dep.transact(lambda db: db.insert("notes", {"text": "a"}))
        with pytest.raises(DeploymentLockedError):
            convex_nb.open(path)
        with convex_nb.open(path, read_only=True) as beside:
            dep.transact(lambda db: db.insert("notes", {"text": "b"}))
            assert beside.query(list_notes) == ["a"]
            with pytest.raises(ReadOnlyError, match="nothing was written"):
                beside.transact(lambda db: db.insert("notes", {"text": "c"}))
            with pytest.raises(ReadOnlyError, match="nothing was written"):
                beside.push(NOTES)
            assert beside.query(list_notes) == ["a"]
        assert dep.query(list_notes) == ["a", "b"]


def test_saving_goes_on_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "app.convex"
    seen: list[list[str]] = []
    with convex_nb.open() as dep:
        dep.register(list_notes)
        dep.subscribe("notes:list", None, seen.append)
        dep.transact(lambda db: db.insert("notes", {"text": "a"}))
        dep.save(path)
        assert dep.path == path
        dep.transact(lambda db: db.insert("notes", {"text": "b"}))
        assert seen == [[], ["a"], ["a", "b"]]
        with pytest.raises(StorageExistsError):
            dep.save(path)
        with pytest.raises(InvalidValueError, match="durability"):
            dep.save(tmp_path / "b", durability="none")  # type: ignore[arg-type]
    with pytest.raises(DeploymentClosedError):
        dep.save(tmp_path / "b")
    with convex_nb.open(path) as dep:
        assert dep.query(list_notes) == ["a", "b"]


def test_repairing_is_a_public_function(tmp_path: Path) -> None:
    with convex_nb.open(tmp_path / "a.convex", durability="relaxed") as dep:
        dep.transact(lambda db: db.insert("notes", {"text": "a"}))
    report = convex_nb.repair(tmp_path / "a.convex", tmp_path / "b.convex")
    assert (report.documents, report.lost) == ({"notes": 1}, [])
    with convex_nb.open(tmp_path / "b.convex") as dep:
        assert dep.query(list_notes) == ["a"]


def test_a_close_that_is_interrupted_gives_the_file_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(worker: Worker) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "app.convex"
    dep = convex_nb.open(path)
    dep.transact(lambda db: db.insert("notes", {"text": "a"}))
    with monkeypatch.context() as patch:
        patch.setattr(Worker, "stop", stop)
        with pytest.raises(KeyboardInterrupt):
            dep.close()
    with convex_nb.open(path) as again:
        assert again.table("notes").count() == 1


@pytest.mark.parametrize(
    "take",
    [
        lambda dep, path: dep.backup(path),
        lambda dep, path: dep.restore(path),
        lambda dep, path: dep.export(path),
        lambda dep, path: dep.export(path, "notes"),
        lambda dep, path: dep.at(dep.timestamp).export(path),
        lambda dep, path: dep.import_zip(path),
        lambda dep, path: dep.import_table("notes", path),
        lambda dep, path: dep.backup_every(timedelta(days=1), path),
        lambda _, path: convex_nb.verify_backup(path),
        lambda _, path: convex_nb.repair(path, "whole.convex"),
        lambda _, path: convex_nb.repair("damaged.convex", path),
    ],
)
def test_an_address_where_a_file_is_wanted_is_not_repeated(take: Callable[[Deployment, str], object]) -> None:
    with convex_nb.open() as dep:
        dep.push(NOTES)
        with pytest.raises(InvalidValueError, match=r"address of a PostgreSQL database.*nothing was") as caught:
            take(dep, "postgresql://ada:secret@localhost/app")
        assert "secret" not in f"{caught.value}{caught.value.args}{caught.value.value}"
