"""The tables and files of components in files: exports, backups, imports."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, InvalidValueError, components, define_component
from convex_nb.functions.components.component import Component
from tests.deployment.components.counting import SCHEMA, counter


def keeping() -> Component:
    component = define_component("keeping")
    component.action("keep")(lambda ctx: ctx.storage.store(b"kept"))
    component.use(counter(), name="inner")
    return component


def filled() -> Deployment:
    dep = convex_nb.open()
    dep.push(SCHEMA, components=[counter(), keeping()])
    dep.transact(lambda db: db.insert("notes", {"text": "x"}))
    dep.mutation(components.counter.add, name="a")
    dep.components["keeping/inner"].mutation("add", name="b")
    dep.action(components.keeping.keep)
    return dep


def content(dep: Deployment) -> Any:
    return {
        path: {name: table.arrow().to_pylist() for name, table in each.tables.items()}
        for path, each in dep.components.items()
    }


def test_a_zip_has_the_components(tmp_path: Path) -> None:
    with filled() as dep, convex_nb.open() as other:
        path = dep.export(tmp_path / "all.zip")
        names = zipfile.ZipFile(path).namelist()
        (file,) = dep.components["keeping"].files
        assert {
            "notes/documents.jsonl",
            "_components/counter/counts/documents.jsonl",
            "_components/counter/_tables/documents.jsonl",
            "_components/keeping/inner/counts/documents.jsonl",
        } <= set(names)
        assert any(name.startswith(f"_components/keeping/_storage/{file}") for name in names)
        counts = other.import_zip(path)
        assert counts == {"notes": 1, "counter//counts": 1, "keeping/inner//counts": 1, "_storage": 1}
        assert content(other) == content(dep)
        assert other.components["keeping"].files[file].read() == b"kept"
        other.push(SCHEMA, components=[counter(), keeping()])
        assert other.query(components.counter.total, name="a") == 1
        other.mutation(components.counter.add, name="a")
        other.check()
        assert other.restore(path)["counter//counts"] == 1
        assert other.query(components.counter.total, name="a") == 1


def test_backups_and_the_past_have_them_too(tmp_path: Path) -> None:
    with filled() as dep:
        path = dep.backup(tmp_path)
        before = dep.timestamp
        for source in (path, before):
            dep.mutation(components.counter.add, name="a")
            dep.restore(source)
            assert dep.query(components.counter.total, name="a") == 1
        report = convex_nb.verify_backup(path)
        assert report.documents["keeping/inner//counts"] == 1


def test_one_table_goes_in_and_out(tmp_path: Path) -> None:
    with filled() as dep:
        dep.export(tmp_path / "counts.parquet", "counts", component="counter")
        table = dep.import_table("counts", [{"name": "c", "n": 3}], component="counter")
        assert (table.name, len(table)) == ("counts", 2)
        assert dep.query(components.counter.total, name="c") == 3
        with pytest.raises(convex_nb.SchemaValidationError, match="counter//counts"):
            dep.import_table("counts", [{"name": 5}], component="counter")
        with pytest.raises(InvalidValueError, match="component='counter'"):
            dep.import_table("counter//counts", [{"name": "c", "n": 3}])
        dep.import_table("counts", tmp_path / "counts.parquet", "replace", component="counter")
        assert dep.query(components.counter.total, name="c") == 0


def test_what_changed_is_told_with_whole_names() -> None:
    with filled() as dep:
        before = dep.timestamp
        dep.mutation(components.counter.add, name="z")
        assert [each["_table"] for each in dep.document_deltas(before)["values"]] == ["counter//counts"]
        assert {each["_table"] for each in dep.list_snapshot()["values"]} == {
            *("notes", "counter//counts", "keeping/inner//counts")
        }
