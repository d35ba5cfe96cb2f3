from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow.parquet
import pytest
from hypothesis import given, settings, strategies as st

import convex_nb
from convex_nb import (
    ConvexNbError,
    Deployment,
    Int64,
    InvalidIdError,
    InvalidValueError,
    SchemaValidationError,
    StorageError,
    define_schema,
    define_table,
    query,
    same_value,
    v,
)
from convex_nb.services.transfer import source, zip_import
from convex_nb.testing import strategies

Contents = dict[str, dict[str, Any]]


def contents(dep: Deployment) -> Contents:
    """The documents of every table, by id."""
    return dep.transact(
        lambda db: {table: {each["_id"]: each for each in db.query(table).collect()} for table in dep.tables}
    )


def same_contents(a: Contents, b: Contents) -> bool:
    return a.keys() == b.keys() and all(
        a[table].keys() == b[table].keys() and all(same_value(a[table][id], b[table][id]) for id in a[table])
        for table in a
    )


def entries(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def filled(documents: dict[str, list[dict[str, Any]]]) -> Deployment:
    dep = convex_nb.open()
    for table, rows in documents.items():
        dep.transact(lambda db, table=table, rows=rows: db.insert_many(table, rows))  # type: ignore[misc]
        if not rows:
            dep.transact(lambda db, table=table: db.insert(table, {}))  # type: ignore[misc]
            dep.transact(lambda db, table=table: db.delete(db.query(table).unique()["_id"]))  # type: ignore[misc]
    return dep


@pytest.fixture
def exported(tmp_path: Path) -> tuple[Path, Contents]:
    """A ZIP of users, of which tasks refer to one, and what was in it."""
    with convex_nb.open() as dep:
        user = dep.transact(lambda db: db.insert("users", {"name": "Ada", "key": b"\x00", "big": Int64(2**60)}))
        dep.transact(lambda db: db.insert_many("tasks", [{"owner": user, "n": 1.0}, {"owner": user, "n": 5}]))
        return dep.export(tmp_path / "a.zip"), contents(dep)


@settings(max_examples=25)
@given(strategies.contents(), st.sampled_from(["fail", "append", "replace", "replace_all"]))
def test_whatever_is_exported_is_imported_elsewhere_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, documents: dict[str, list[dict[str, Any]]], mode: Any
) -> None:
    folder = tmp_path_factory.mktemp("zip")
    with filled(documents) as first, convex_nb.open() as second:
        path = first.export(folder / "a.zip")
        counts = second.import_zip(path, mode=mode)
        assert counts == {table: len(rows) for table, rows in documents.items() if table in first.tables}
        assert same_contents(contents(second), contents(first))
        second.check()
        again = second.export(folder / "b.zip")
        assert entries(again) == entries(path)
        assert again.read_bytes() == path.read_bytes()


def test_the_documents_go_on_living(exported: tuple[Path, Contents], tmp_path: Path) -> None:
    path, before = exported
    with convex_nb.open(tmp_path / "b.convex") as dep:
        dep.push(define_schema({"tasks": define_table({"owner": v.id("users"), "n": v.number()})}))
        dep.import_zip(path)
        (user,) = before["users"]
        assert dep.transact(lambda db: db.get("users", user))["name"] == "Ada"  # type: ignore[index]
        dep.transact(lambda db: db.insert("tasks", {"owner": user, "n": 2}))
    with convex_nb.open(tmp_path / "b.convex") as dep:
        assert dep.transact(lambda db: db.get("users", user))["big"] == Int64(2**60)  # type: ignore[index]
        assert len(contents(dep)["tasks"]) == 3
        dep.check()


def others(dep: Deployment) -> None:
    """Documents in a table of the ZIP and in another, under numbers that cross those of the ZIP."""
    dep.transact(lambda db: db.insert("tasks", {"n": -1}))
    dep.transact(lambda db: db.insert("notes", {"text": "x"}))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("replace_all", {"users": 1, "tasks": 2, "notes": 0}), ("replace", None), ("append", None), ("fail", None)],
)
def test_modes_where_numbers_cross(exported: tuple[Path, Contents], mode: Any, expected: dict[str, int] | None) -> None:
    path, documents = exported
    with convex_nb.open() as dep:
        others(dep)
        before = contents(dep)
        seen: list[Any] = []
        dep.subscribe(query(lambda ctx: [len(ctx.db.query(t).collect()) for t in ("tasks", "users")]), {}, seen.append)
        if expected is None:
            with pytest.raises((InvalidValueError, InvalidIdError)):
                dep.import_zip(path, mode=mode)
            assert same_contents(contents(dep), before)
            assert seen == [[1, 0]]
        else:
            dep.import_zip(path, mode=mode)
            assert {table: len(found) for table, found in contents(dep).items()} == expected
            assert same_contents({**documents, "notes": {}}, contents(dep))
            (user,) = documents["users"]
            assert dep.transact(lambda db: db.get(user))["name"] == "Ada"  # type: ignore[index]
            assert seen == [[1, 0], [2, 1]]
            dep.transact(lambda db: db.insert("notes", {}))
        dep.check()


def test_numbers_that_crossed_are_there_when_a_file_is_opened_again(
    exported: tuple[Path, Contents], tmp_path: Path
) -> None:
    path, documents = exported
    (user,) = documents["users"]
    with convex_nb.open(tmp_path / "a.convex") as dep:
        others(dep)
        dep.import_zip(path, mode="replace_all")
    for time in range(3):
        with convex_nb.open(tmp_path / "a.convex") as dep:
            assert same_contents({**documents, "notes": {}}, contents(dep))
            assert dep.transact(lambda db: db.get("users", user)) is not None
            note = dep.transact(lambda db: db.insert("notes", {}))
            assert dep.transact(lambda db, note=note: db.get("notes", note)) is not None  # type: ignore[misc]
            dep.transact(lambda db, note=note: db.delete(note))  # type: ignore[misc]
            dep.check()
            if time == 1:
                moved = dep.backup(tmp_path / "b.convex")
    with convex_nb.open(moved) as dep:
        assert same_contents({**documents, "notes": {}}, contents(dep))
        assert dep.transact(lambda db: db.get("users", user)) is not None
        dep.check()


def test_replace_leaves_other_tables_and_append_adds(exported: tuple[Path, Contents]) -> None:
    path, documents = exported
    with convex_nb.open() as dep:
        dep.import_zip(path)
        note = dep.transact(lambda db: db.insert("notes", {"text": "x"}))
        extra = dep.transact(lambda db: db.insert("tasks", {"n": 9}))
        with pytest.raises(InvalidValueError, match=r"line 1 of .*has a document with this id already"):
            dep.import_zip(path, mode="append")
        assert len(contents(dep)["tasks"]) == 3
        dep.import_zip(path, mode="replace")
        found = contents(dep)
        assert list(found.pop("notes")) == [note]
        assert same_contents(found, documents)
        assert dep.transact(lambda db: db.get(extra)) is None
        dep.import_zip(path, mode="replace_all")
        assert contents(dep).pop("notes") == {}
        dep.check()


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], extra: dict[str, bytes] | None = None) -> Path:
    """The ZIP with other entries."""
    target = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name, content in (extra or {}).items():
            new.writestr(name, content)
    return target


def as_it_is(_: str, content: bytes) -> bytes:
    return content


def twice(name: str, content: bytes) -> bytes:
    return content * 2 if name == "users/documents.jsonl" else content


@pytest.mark.parametrize(
    ("change", "extra", "says"),
    [
        (as_it_is, {"../evil/documents.jsonl": b""}, "leads elsewhere"),
        (as_it_is, {"/etc/documents.jsonl": b""}, "leads elsewhere"),
        (as_it_is, {"a/..\\b/documents.jsonl": b""}, "leads elsewhere"),
        (as_it_is, {"_components/1x/users/documents.jsonl": b""}, "No component is called"),
        (as_it_is, {"_scheduled_functions/documents.jsonl": b"{}"}, "system table"),
        (as_it_is, {"notes/documents.jsonl": b"{}\n{\n[]\n"}, "line 2 of notes/documents.jsonl: This is not JSON"),
        (as_it_is, {"notes/documents.jsonl": b'{"_id": "x"}\n'}, "field `_id`: This is not a document id"),
        (as_it_is, {"notes/documents.jsonl": b'{"_creationTime": "x"}\n'}, "field `_creationTime`"),
        (as_it_is, {"1/documents.jsonl": b"{}\n"}, "1"),
        (as_it_is, {"notes/documents.jsonl": b'{"a": "' + b"x" * (17 << 20) + b'"}'}, "Line 1 .* 16 MiB"),
        (as_it_is, {"notes/documents.jsonl": b" " * (600 << 20)}, "unpacks to 600 MiB"),
        (twice, {}, "line 1 of users/documents.jsonl, field `_id`: This id is there more than once"),
        (lambda n, c: b"7\n" if n == "users/generated_schema.jsonl" else c, {}, "Line 1 of users/generated_schema"),
        (lambda n, c: b'"x"\n' if n == "users/generated_schema.jsonl" else c, {}, "types cannot be read"),
        (lambda n, c: b'"{\\"n\\": int64}"\n' if n == "tasks/generated_schema.jsonl" else c, {}, ""),
        (lambda n, c: b'"unknown"\n{"a"\n' if n == "users/generated_schema.jsonl" else c, {}, "Line 2 of users"),
        (lambda n, c: None, {"a.txt": b"x"}, "holds no"),
    ],
)
def test_what_is_no_export_leaves_everything_as_it_was(
    exported: tuple[Path, Contents], tmp_path: Path, change: Any, extra: dict[str, bytes], says: str
) -> None:
    path = rewritten(exported[0], change, extra)
    there = set(tmp_path.iterdir())
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("kept", {}))
        before = contents(dep)
        if says:
            with pytest.raises(InvalidValueError, match=says):
                dep.import_zip(path, mode="replace_all")
            assert same_contents(contents(dep), before)
        else:
            dep.import_zip(path, mode="replace_all")
    assert set(tmp_path.iterdir()) == there


def test_a_zip_that_was_cut_or_changed(exported: tuple[Path, Contents]) -> None:
    path, _ = exported
    content = path.read_bytes()
    with convex_nb.open() as dep:
        for size in [0, 1, len(content) // 2, len(content) - 1]:
            path.write_bytes(content[:size])
            with pytest.raises(InvalidValueError, match="not a whole ZIP file"):
                dep.import_zip(path)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            header = archive.getinfo("users/documents.jsonl").header_offset
        start = header + 30 + sum(struct.unpack_from("<HH", content, header + 26))
        path.write_bytes(content[: start + 5] + bytes([content[start + 5] ^ 255]) + content[start + 6 :])
        with pytest.raises(InvalidValueError, match="damaged"):
            dep.import_zip(path)
        with pytest.raises(FileNotFoundError):
            dep.import_zip(path.with_name("none.zip"))
        with pytest.raises(InvalidValueError, match="mode is"):
            dep.import_zip(path, mode="upsert")  # type: ignore[arg-type]
        assert contents(dep) == {}


def test_documents_have_to_fit_the_schema(exported: tuple[Path, Contents]) -> None:
    with convex_nb.open() as dep:
        dep.push(define_schema({"users": define_table({"name": v.number()})}))
        with pytest.raises(SchemaValidationError, match=r"line 1 of users/documents.jsonl"):
            dep.import_zip(exported[0])
        assert contents(dep)["users"] == {}


def test_an_interrupt_changes_nothing(exported: tuple[Path, Contents], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BATCH_ROWS", 1)

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("kept", {}))
        before = contents(dep)
        with pytest.raises(KeyboardInterrupt):
            dep.import_zip(exported[0], mode="replace_all", progress=interrupt)
        assert same_contents(contents(dep), before)
        dep.import_zip(exported[0], mode="replace_all")
        dep.check()


def test_a_schema_that_is_pushed_meanwhile_counts(exported: tuple[Path, Contents]) -> None:
    with convex_nb.open() as dep:
        pushed: list[None] = []

        def push(done: int, total: int) -> None:
            if not pushed:
                pushed.append(None)
                dep.push(define_schema({"users": define_table({"name": v.number()})}))

        with pytest.raises(SchemaValidationError):
            dep.import_zip(exported[0], progress=push)


def test_an_export_of_the_original(tmp_path: Path) -> None:
    """As the reference writes them: a folder around everything, shapes with literals and ids, floats with a point."""
    with convex_nb.open() as other:
        id = other.transact(lambda db: db.insert("messages", {}))
    shape = '{"_creationTime": normalfloat64, "_id": id<10001>, "body": "a" | "b", "n"?: int64, "x": float64 | string}'
    documents = [
        {"_creationTime": 1700000000000.5, "_id": id, "body": "a", "n": "5", "x": "Infinity"},
    ]
    with zipfile.ZipFile(tmp_path / "o.zip", "w") as archive:
        archive.writestr("snapshot/README.md", "x")
        archive.writestr("snapshot/_tables/documents.jsonl", '{"name":"messages","id":10001}\n')
        archive.writestr("snapshot/_storage/documents.jsonl", "")
        archive.writestr("snapshot/messages/documents.jsonl", "\n".join(map(json.dumps, documents)) + "\n")
        archive.writestr(
            "snapshot/messages/generated_schema.jsonl",
            json.dumps(shape) + "\n" + json.dumps({id: {"x": "float64inf"}}) + "\n",
        )
    with convex_nb.open() as dep:
        dep.import_zip(tmp_path / "o.zip")
        expected = {**documents[0], "n": Int64(5), "x": float("inf")}
        assert same_value(dict(contents(dep)["messages"][id]), expected)


def test_the_past_can_be_exported_while_commits_go_on(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("a", {"n": 1}))
        moment = dep.timestamp
        at_first = dep.export(tmp_path / "a.zip").read_bytes()

        def commit(done: int, total: int) -> None:
            dep.transact(lambda db: db.insert("a", {"n": 2}))

        dep.export(tmp_path / "b.zip", progress=commit)
        assert (tmp_path / "b.zip").read_bytes() == at_first
        assert dep.at(moment).export(tmp_path / "c.zip").read_bytes() == at_first
        assert dep.export(tmp_path).name == f"snapshot_{dep.timestamp}.zip"


def test_what_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.zip").write_text("before")

    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("a", {"n": 1}))
        for path, options, says in [
            (tmp_path / "no" / "a.zip", {}, "no folder"),
            ("a.csv", {}, "table="),
            ("a.doc", {"table": "a"}, "no format"),
            ("b.csv", {"table": "none"}, "no table 'none'"),
            (5, {}, "takes the path"),
        ]:
            with pytest.raises(ConvexNbError, match=says):
                dep.export(path, **options)  # type: ignore[arg-type]
        monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
        with pytest.raises(StorageError, match="No space left"):
            dep.export(tmp_path / "a.zip")
    assert (tmp_path / "a.zip").read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["a.zip"]


ROWS = [{"n": 1, "s": 'x"\n', "b": b"\x00", "i": Int64(3)}, {"n": 2.5, "s": "é", "o": {"a": [1]}}]


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet", "arrow"])
def test_one_table_in_other_formats(tmp_path: Path, suffix: str) -> None:
    with filled({"t": ROWS}) as dep:
        path = dep.export(tmp_path / f"t.{suffix}", table="t")
        ids = list(dep.table("t").df()["_id"])
        match suffix:
            case "parquet":
                assert pl.read_parquet(path)["_id"].to_list() == ids
                assert pyarrow.parquet.read_table(path).equals(dep.table("t").arrow())
            case "csv":
                assert list(pd.read_csv(path)["s"]) == ['x"\n', "é"]
            case "json":
                assert json.loads(path.read_text())[0]["i"] == "3"
        with convex_nb.open() as other:
            other.import_table("t", path)
            frame = other.table("t").df()
            assert list(frame["_id"]) == ids
            assert list(frame["n"]) == [1, 2.5]
            assert list(frame["s"]) == ['x"\n', "é"]
            assert frame["_creationTime"].equals(dep.table("t").df()["_creationTime"])


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "parquet", "arrow"])
def test_a_table_without_documents(tmp_path: Path, suffix: str) -> None:
    with filled({"t": []}) as dep:
        path = dep.export(tmp_path / f"t.{suffix}", table="t")
        dep.import_table("t", path)
        assert dep.table("t").count() == 0


def test_a_page_ends_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convex_nb.services.transfer.exported_fields.PAGE", 3)
    monkeypatch.setattr(zip_import, "MOST_LINE_BYTES", 200)
    with filled({"t": [{"n": n} for n in range(9)]}) as dep, convex_nb.open() as other:
        reports: list[tuple[int, int]] = []
        dep.export(tmp_path / "a.zip", progress=lambda done, total: reports.append((done, total)))
        assert reports == [(3, 9), (6, 9), (9, 9)]
        other.import_zip(tmp_path / "a.zip")
        assert same_contents(contents(other), contents(dep))
