from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import convex_nb
from convex_nb import InvalidValueError, QueryCtx, SchemaValidationError, define_schema, define_table, query, v
from convex_nb.deployment import importing

TRIPS = define_schema(
    {"trips": define_table({"city": v.string(), "km": v.optional(v.number())}).index("by_city", ["city"])}
)
ROWS = {"city": ["Oslo", "Bergen", "Oslo"], "km": [3, 5.5, None]}
EXPECTED = [{"city": "Oslo", "km": 3.0}, {"city": "Bergen", "km": 5.5}, {"city": "Oslo"}]


def stored(dep: convex_nb.Deployment) -> list[dict[str, Any]]:
    documents = dep.query(query(lambda ctx: ctx.db.query("trips").collect()))
    return [{key: value for key, value in each.items() if not key.startswith("_")} for each in documents]


@pytest.fixture(params=["arrow", "pandas", "indexed pandas", "polars", "csv", "tsv", "parquet", "path"])
def data(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    table = pa.table(ROWS)
    match request.param:
        case "arrow":
            return table
        case "pandas":
            return table.to_pandas(types_mapper=pd.ArrowDtype)
        case "indexed pandas":
            return table.to_pandas(types_mapper=pd.ArrowDtype).set_index(pd.Index([7, 8, 9], name="ignored"))
        case "polars":
            return pl.DataFrame(ROWS, strict=False)
        case "parquet":
            pyarrow.parquet.write_table(table, tmp_path / "trips.parquet")
            return str(tmp_path / "trips.parquet")
        case suffix:
            path = tmp_path / f"trips.{suffix.replace('path', 'csv')}"
            separator = "\t" if suffix == "tsv" else ","
            pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(delimiter=separator))
            return path


def test_every_kind_of_source(data: Any) -> None:
    with convex_nb.open() as dep:
        dep.push(TRIPS)
        shown = dep.import_table("trips", data)
        assert stored(dep) == EXPECTED
        assert repr(shown) == "<Table trips: 3 documents>"


def test_batches_are_one_commit_in_order_with_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 4)
    progress: list[tuple[int, int]] = []
    seen: list[int] = []
    with convex_nb.open() as dep:
        dep.subscribe(query(lambda ctx: ctx.db.query("trips").count()), {}, seen.append)
        table = pa.table({"n": list(range(10)), "odd": [None] * 4 + ["x", 1.5 and "y"] + [None] * 4})
        dep.import_table("trips", table, progress=lambda done, total: progress.append((done, total)))
        assert progress == [(0, 10), (4, 10), (8, 10), (10, 10)]
        assert seen == [0, 10]
        assert [each["n"] for each in stored(dep)] == list(range(10))
        assert [each.get("odd") for each in stored(dep)] == [None] * 4 + ["x", "y"] + [None] * 4
        frame = dep.table("trips").df()
        assert frame["_creationTime"].is_monotonic_increasing
        assert frame["_id"].is_unique
        dep.check()


def test_rows_that_do_not_fit_are_named_by_their_place_in_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH", 2)
    with convex_nb.open() as dep:
        dep.push(TRIPS)
        with pytest.raises(SchemaValidationError, match="row 3, field `city`"):
            dep.import_table("trips", pa.table({"city": ["a", "b", "c", None, "e"]}))
        assert stored(dep) == []
    with convex_nb.open() as dep:
        with pytest.raises(InvalidValueError, match="row 2"):
            dep.import_table("trips", pa.table({"n": [1, 2, 2**60]}))
        assert dep.table("trips").count() == 0


def test_replacing_takes_the_place_of_what_is_there() -> None:
    with convex_nb.open() as dep:
        dep.push(TRIPS)
        seen: list[int] = []
        dep.subscribe(query(lambda ctx: len(ctx.db.query("trips").with_index("by_city").collect())), {}, seen.append)
        dep.import_table("trips", pa.table(ROWS))
        dep.transact(lambda db: db.insert("trips", {"city": "Rome"}))
        dep.import_table("trips", pa.table({"city": ["Bonn"]}), mode="replace")
        assert stored(dep) == [{"city": "Bonn"}]
        dep.import_table("trips", pa.table({"city": ["Bern"]}))
        dep.import_table("trips", pa.table({"city": pa.array([], pa.string())}), mode="append")
        assert len(stored(dep)) == 2
        dep.import_table("trips", pa.table({"city": pa.array([], pa.string())}), mode="replace")
        assert stored(dep) == []
        assert seen == [0, 3, 4, 1, 2, 0]
        dep.check()


def test_nulls_are_missing_or_null() -> None:
    with convex_nb.open() as dep:
        dep.import_table("trips", pa.table({"a": [None, 1]}), nulls="null")
        dep.import_table("trips", pa.table({"a": [None, 1]}))
        assert stored(dep) == [{"a": None}, {"a": 1}, {}, {"a": 1}]


@pytest.mark.parametrize(
    ("data", "options", "says"),
    [
        ([{"a": 1}], {}, "DataFrame"),
        ("trips.xlsx", {}, "CSV or Parquet"),
        (pa.table(ROWS), {"mode": "upsert"}, "'append' or 'replace'"),
        (pa.table(ROWS), {"nulls": "drop"}, "'missing' or 'null'"),
        (pa.table({"_id": ["a"]}), {}, "_id"),
        (pa.table({"a b": [1]}), {}, "a b"),
    ],
)
def test_what_cannot_be_imported(data: Any, options: dict[str, Any], says: str) -> None:
    with convex_nb.open() as dep:
        with pytest.raises(InvalidValueError, match=says):
            dep.import_table("trips", data, **options)
        assert list(dep.tables) == []


@pytest.mark.parametrize("name", ["_trips", "1trips", "a b", ""])
def test_what_is_no_tables_name(name: str) -> None:
    with convex_nb.open() as dep, pytest.raises(InvalidValueError):
        dep.import_table(name, pa.table(ROWS))


def test_a_schema_that_is_pushed_meanwhile_is_the_one_that_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with convex_nb.open() as dep:
        pushed: list[None] = []

        def push(done: int, total: int) -> None:
            if not pushed:
                pushed.append(None)
                dep.push(TRIPS)

        with pytest.raises(SchemaValidationError):
            dep.import_table("trips", pa.table({"city": [1]}), progress=push)
        assert stored(dep) == []
        pushed.clear()
        dep.import_table("trips", pa.table(ROWS), progress=push)
        assert stored(dep) == EXPECTED


def test_an_import_conflicts_with_who_read_the_table() -> None:
    attempts: list[int] = []

    def counts(db: Any) -> None:
        attempts.append(db.query("trips").count())
        if len(attempts) == 1:
            dep.import_table("trips", pa.table(ROWS))
        db.insert("totals", {"n": attempts[-1]})

    with convex_nb.open() as dep:
        dep.transact(counts)
        assert attempts == [0, 3]


@query("trips:of")
def trips_of(ctx: QueryCtx, city: str) -> Any:
    return ctx.db.query("trips").with_index("by_city", city=city).collect()


def test_imported_documents_are_like_any_others() -> None:
    with convex_nb.open() as dep:
        dep.push(TRIPS)
        dep.import_table("trips", pa.table(ROWS))
        first, second = dep.query(trips_of, city="Oslo")
        assert first["_id"].table == "trips"
        dep.transact(lambda db: (db.patch(first["_id"], {"km": 4}), db.delete(second["_id"])))
        assert [each["km"] for each in dep.query(trips_of, city="Oslo")] == [4]
        assert sorted(dep.table("trips").df()["city"]) == ["Bergen", "Oslo"]
        dep.check()
