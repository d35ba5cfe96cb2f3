from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

import convex_nb
from convex_nb import (
    InvalidIdError,
    InvalidValueError,
    QueryCtx,
    SchemaValidationError,
    define_schema,
    define_table,
    query,
    v,
)
from convex_nb.services.transfer import source

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
    monkeypatch.setattr(source, "BATCH_ROWS", 4)
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
    monkeypatch.setattr(source, "BATCH_ROWS", 2)
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
        ({"a": [1]}, {}, "DataFrame"),
        ("trips.xlsx", {}, "CSV or Parquet"),
        (pa.table(ROWS), {"mode": "upsert"}, "'append', 'replace' or 'fail'"),
        (pa.table(ROWS), {"nulls": "drop"}, "'missing' or 'null'"),
        (pa.table({"_id": ["a"]}), {}, "_id"),
        (pa.table({"a b": [1]}), {}, "a b"),
        (pa.table(ROWS), {"infer": "all"}, "infer"),
        (pa.table(ROWS), {"chunk_rows": 0}, "chunk_rows"),
        (pa.table(ROWS), {"chunk_rows": 2, "mode": "replace"}, "all or nothing"),
        (b"city", {}, "DataFrame"),
        (pd.Timestamp(0), {}, "DataFrame"),
    ],
)
def test_what_cannot_be_imported(data: Any, options: dict[str, Any], says: str) -> None:
    with convex_nb.open() as dep:
        with pytest.raises(InvalidValueError, match=says):
            dep.import_table("trips", data, **options)
        assert list(dep.tables) == []


@pytest.mark.parametrize("name", ["_trips", "_storage", "_scheduled_functions", "1trips", "a b", ""])
def test_what_is_no_tables_name(name: str) -> None:
    with convex_nb.open() as dep:
        with pytest.raises(InvalidValueError):
            dep.import_table(name, pa.table(ROWS))
        dep.check()


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


def test_only_an_empty_table_with_mode_fail() -> None:
    with convex_nb.open() as dep:
        dep.import_table("trips", pa.table(ROWS), mode="fail")
        with pytest.raises(InvalidValueError, match="has 3 documents"):
            dep.import_table("trips", pa.table(ROWS), mode="fail")
        assert dep.table("trips").count() == 3


def test_somebody_else_fills_the_table_meanwhile() -> None:
    with convex_nb.open() as dep:

        def insert(done: int, total: int) -> None:
            dep.transact(lambda db: db.insert("trips", {"city": "Rome"}))

        with pytest.raises(InvalidValueError, match="has 1 documents"):
            dep.import_table("trips", pa.table(ROWS), mode="fail", progress=insert)
        assert stored(dep) == [{"city": "Rome"}]


def test_lists_open_files_and_json(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": null}\n{"a": 5.0}\n')
    (tmp_path / "a.json").write_text('[{"a": [1]}]')
    with convex_nb.open() as dep:
        dep.import_table("trips", [{"a": 1}, {"a": convex_nb.Int64(2), "b": None}])
        dep.import_table("trips", tmp_path / "a.jsonl")
        dep.import_table("trips", tmp_path / "a.json")
        with (tmp_path / "a.json").open() as file:
            dep.import_table("trips", file)
        assert stored(dep) == [{"a": 1}, {"a": 2, "b": None}, {"a": None}, {"a": 5.0}, {"a": [1]}, {"a": [1]}]


def test_a_file_without_rows_empties_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "a.csv").write_text("city,city\nx,y\n")
    with convex_nb.open() as dep:
        seen: list[int] = []
        dep.import_table("trips", pa.table(ROWS))
        dep.subscribe(query(lambda ctx: len(ctx.db.query("trips").collect())), {}, seen.append)
        dep.import_table("trips", tmp_path / "a.jsonl")
        dep.import_table("trips", tmp_path / "a.jsonl", mode="replace")
        assert seen == [3, 0]
        with pytest.raises(InvalidValueError, match="Two columns are named `city`"):
            dep.import_table("trips", tmp_path / "a.csv")
        dep.check()


def test_arrow_files(tmp_path: Path) -> None:
    table = pa.table(ROWS)
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pa.OSFile(str(tmp_path / "b.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    with convex_nb.open() as dep:
        dep.import_table("trips", tmp_path / "a.arrow")
        dep.import_table("trips", tmp_path / "b.arrow")
        assert stored(dep) == EXPECTED * 2


def test_files_that_others_wrote(tmp_path: Path) -> None:
    pl.DataFrame(ROWS, strict=False).write_parquet(tmp_path / "polars.parquet")
    duckdb.execute(
        "copy (select * from (values ('Oslo', 3.0::double), ('Bergen', 5.5), ('Oslo', null)) t(city, km)) "
        f"to '{tmp_path}/duckdb.parquet' (format parquet)"
    )
    with convex_nb.open() as dep:
        dep.import_table("trips", tmp_path / "polars.parquet")
        dep.import_table("trips", tmp_path / "duckdb.parquet")
        assert stored(dep) == EXPECTED * 2


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_file_that_was_cut_short(tmp_path: Path, name: str) -> None:
    if name == "a.parquet":
        pyarrow.parquet.write_table(pa.table(ROWS), tmp_path / name)
    else:
        with pa.OSFile(str(tmp_path / name), "wb") as sink, pa.ipc.new_file(sink, pa.table(ROWS).schema) as writer:
            writer.write_table(pa.table(ROWS))
    content = (tmp_path / name).read_bytes()
    with convex_nb.open() as dep:
        for size in (0, 3, len(content) // 2, len(content) - 1):
            (tmp_path / name).write_bytes(content[:size])
            with pytest.raises(InvalidValueError, match=f"{name} is not a whole"):
                dep.import_table("trips", tmp_path / name)
        assert stored(dep) == []


def test_rows_of_files_are_named_by_their_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("city,km\nOslo,1\n\nBonn,far\n")
    (tmp_path / "a.jsonl").write_text('{"city": "Oslo"}\n\n{"city": 5}\n')
    with convex_nb.open() as dep:
        dep.push(TRIPS)
        with pytest.raises(SchemaValidationError, match=r"line 4 of a.csv, field `km`"):
            dep.import_table("trips", tmp_path / "a.csv")
        with pytest.raises(SchemaValidationError, match=r"line 3 of a.jsonl, field `city`"):
            dep.import_table("trips", tmp_path / "a.jsonl")
        assert stored(dep) == []


def test_ids_and_times_are_kept() -> None:
    with convex_nb.open() as source, convex_nb.open() as dep:
        source.transact(lambda db: db.insert("others", {}))
        source.import_table("trips", pa.table(ROWS))
        frame = source.table("trips").df()
        dep.push(define_schema({"trips": define_table({"after": v.optional(v.id("trips")), "city": v.string()})}))
        frame = frame[["_id", "_creationTime", "city"]].assign(after=frame["_id"])
        dep.import_table("trips", frame)
        kept = dep.table("trips").df()
        assert kept.equals(frame[kept.columns])
        document = dep.transact(lambda db: db.get(frame["_id"][0]))
        assert document is not None
        assert document["city"] == "Oslo"
        with pytest.raises(InvalidValueError, match="row 0, field `_id`: The table has a document with this id"):
            dep.import_table("trips", frame)
        dep.import_table("trips", frame, mode="replace")
        new = dep.transact(lambda db: db.insert("trips", {"city": "Rome"}))
        assert new[:3] == frame["_id"][0][:3]
        dep.check()


def test_ids_of_another_table_are_refused() -> None:
    with convex_nb.open() as dep:
        first = dep.transact(lambda db: db.insert("users", {}))
        second = dep.transact(lambda db: db.insert("trips", {"city": "Oslo"}))
        with pytest.raises(InvalidIdError, match='makes them ids of "users"'):
            dep.import_table("trips", [{"_id": first, "city": "Bonn"}])
        with pytest.raises(InvalidIdError, match='makes them ids of "users"'):
            dep.import_table("trips", [{"_id": first, "city": "Bonn"}], mode="replace")
        with pytest.raises(InvalidValueError, match="row 1, field `_id`: This is an id of another table"):
            dep.import_table("trips", [{"_id": second}, {"_id": first}, {"_id": second[:-1] + "x"}][:2], mode="replace")
        with pytest.raises(InvalidValueError, match="row 1, field `_id`: This id is there more than once"):
            dep.import_table("trips", [{"_id": second}, {"_id": second}], mode="replace")
        assert stored(dep) == [{"city": "Oslo"}]
        dep.check()


def test_chunks_say_where_they_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BATCH_ROWS", 2)
    rows = pa.table({"n": [0, 1, 2, 3, 4, 5, 2**60, 7]})
    with convex_nb.open() as dep:
        seen: list[int] = []
        dep.subscribe(query(lambda ctx: ctx.db.query("trips").count()), {}, seen.append)
        with pytest.raises(InvalidValueError) as error:
            dep.import_table("trips", rows, chunk_rows=4)
        assert "first_row=4" in error.value.__notes__[0]
        assert [each["n"] for each in stored(dep)] == [0, 1, 2, 3]
        dep.import_table("trips", rows.set_column(0, "n", pa.array(range(8))), chunk_rows=3, first_row=4)
        assert [each["n"] for each in stored(dep)] == list(range(8))
        dep.check()


def test_an_interrupt_leaves_nothing_half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BATCH_ROWS", 2)

    def interrupt(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with convex_nb.open() as dep:
        with pytest.raises(KeyboardInterrupt):
            dep.import_table("trips", pa.table({"n": range(6)}), progress=interrupt)
        assert stored(dep) == []
        with pytest.raises(KeyboardInterrupt) as error:
            dep.import_table("trips", pa.table({"n": range(6)}), progress=interrupt, chunk_rows=2)
        assert "4 rows were imported" in error.value.__notes__[0]
        assert [each["n"] for each in stored(dep)] == [0, 1, 2, 3]


def test_a_document_over_the_limits(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": "' + "x" * (1 << 21) + '"}\n')
    with convex_nb.open() as dep:
        with pytest.raises(InvalidValueError, match=r"line 2 of a.jsonl.*bytes"):
            dep.import_table("trips", tmp_path / "a.jsonl")
        assert stored(dep) == []


def test_what_was_imported_is_there_when_a_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    with convex_nb.open() as source, convex_nb.open(path) as dep:
        source.transact(lambda db: db.insert("others", {}))
        id = source.transact(lambda db: db.insert("trips", {"city": "Oslo"}))
        dep.transact(lambda db: db.insert("trips", {"city": "Bonn"}))
        dep.import_table("trips", source.table("trips").arrow(), mode="replace")
        assert dep.transact(lambda db: db.get(id)) is not None
    for _ in range(2):
        with convex_nb.open(path) as dep:
            assert dep.transact(lambda db: db.get(id))["city"] == "Oslo"  # type: ignore[index]
            assert dep.transact(lambda db: db.insert("trips", {"city": "Rome"}))[:3] == id[:3]
            dep.check()


def test_too_little_memory_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from convex_nb.services.transfer.import_run import ImportRun

    commit = ImportRun._commit

    def exhausted(run: ImportRun, *args: Any) -> None:
        if run.database.head.tables.get("trips") is not None:
            raise MemoryError
        commit(run, *args)

    with convex_nb.open() as dep:
        monkeypatch.setattr(ImportRun, "_commit", exhausted)
        rows = pa.table({"n": range(6)})
        with pytest.raises(MemoryError, match="not enough memory for the next chunk") as caught:
            dep.import_table("trips", rows, chunk_rows=2)
        assert "first_row=" in caught.value.__notes__[0]
        kept = dep.table("trips").count()
        with pytest.raises(MemoryError, match="nothing was imported"):
            dep.import_table("trips", rows)
        assert dep.table("trips").count() == kept
