"""Files of a view's rows."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow.parquet
import pytest

from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import Id, Int64
from convex_nb.views import export
from convex_nb.views.export import Exports

ROWS: list[Any] = [
    {"text": 'say "x", y\nz', "n": 1.0, "_id": Id("j57", "t")},
    {"text": "=1+1", "n": Int64(9007199254740993), "flag": True, "tags": [1, b"x"]},
    {"text": None, "n": float("nan"), "flag": False},
]
COLUMNS = ["text", "n", "flag", "tags", "_id"]


def whole(exports: Exports, tab: str) -> bytes:
    return b"".join(iter(lambda: exports.next_part(tab), None))


def test_csv_has_every_row_and_reads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_PER_PART", 2)
    exports = Exports()
    exports.begin("tab", "csv", ROWS, COLUMNS)
    assert exports.next_part("tab") == b"text,n,flag,tags,_id\r\n"
    lines = list(csv.reader(io.StringIO(whole(exports, "tab").decode(), newline="")))
    assert lines == [
        ['say "x", y\nz', "1", "", "", "j57"],
        ["=1+1", "9007199254740993", "true", '[1,{"$bytes":"eA=="}]', ""],
        ["", "NaN", "false", "", ""],
    ]
    assert exports.next_part("tab") is None


def test_parquet_reads_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "BYTES_PER_PART", 100)
    exports = Exports()
    exports.begin("tab", "parquet", [{"n": 1, "text": "a"}, {"n": 2, "text": "b"}], ["n", "text"])
    table = pyarrow.parquet.read_table(io.BytesIO(whole(exports, "tab")))
    assert table.to_pylist() == [{"n": 1, "text": "a"}, {"n": 2, "text": "b"}]


def test_pages_have_files_of_their_own() -> None:
    exports = Exports()
    exports.begin("a", "csv", [{"n": 1}], ["n"])
    exports.begin("b", "csv", [{"n": 2}], ["n"])
    assert whole(exports, "a") == b"n\r\n1\r\n"
    assert whole(exports, "b") == b"n\r\n2\r\n"
    assert exports.next_part("c") is None


def test_a_parquet_file_has_the_columns_of_the_table() -> None:
    schema = define_schema({"notes": define_table({"text": v.string(), "due": v.optional(v.float64())})})
    exports = Exports()
    exports.begin("tab", "parquet", [], ["text", "due"], (schema, ("notes",)))
    table = pyarrow.parquet.read_table(io.BytesIO(whole(exports, "tab")))
    assert {"text", "due"} <= set(table.column_names)
