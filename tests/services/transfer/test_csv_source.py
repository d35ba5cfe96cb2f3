from __future__ import annotations

import bz2
import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from convex_nb import InvalidValueError, v
from convex_nb.services.transfer import csv_source
from convex_nb.services.transfer.csv_source import CsvSource
from convex_nb.services.transfer.input_file import InputFile
from convex_nb.services.transfer.source import StartAgain


def source(tmp_path: Path, content: bytes, name: str = "a.csv", fields: Any = None, **options: Any) -> CsvSource:
    (tmp_path / name).write_bytes(content)
    return CsvSource(InputFile(tmp_path / name), "t", fields, **options)


def rows(source: CsvSource) -> list[dict[str, Any]]:
    while True:
        try:
            return [row for batch in source.batches() for row in batch.to_pylist()]
        except StartAgain:
            continue


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["007", "abc", '""'], [7.0, "abc", ""]),
        (["007", '""', "8"], [7, None, 8]),
        (["1.5", '""', "-2e3"], [1.5, None, -2000.0]),
        (['""', '""'], ["", ""]),
        (["NA", "3", "NaN"], [None, 3, None]),
        (["NA", "x"], ["NA", "x"]),
        (["true", "False"], ["true", "False"]),
        (["2013-01-01", "nan"], ["2013-01-01", "nan"]),
        (["inf", "1"], ["inf", 1.0]),
        (['"a\nb"', '"c""d"', " 7"], ["a\nb", 'c"d', " 7"]),
        (["9007199254740993"], [9007199254740993]),
    ],
)
def test_cells_are_numbers_or_texts(tmp_path: Path, cells: list[str], values: list[Any]) -> None:
    content = "a\n" + "".join(f"{cell}\n" for cell in cells)
    assert [row["a"] for row in rows(source(tmp_path, content.encode()))] == values


def test_an_empty_column_is_of_nothing_until_a_cell_says_more(tmp_path: Path) -> None:
    assert rows(source(tmp_path, b"a,b,c\n007,abc,\n")) == [{"a": 7, "b": "abc", "c": ""}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ends_of_lines_and_byte_order_marks(tmp_path: Path, end: str) -> None:
    content = ("a,b" + end + "1,x" + end + "2,y").encode()
    expected = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert rows(source(tmp_path, content)) == expected
    assert rows(source(tmp_path, b"\xef\xbb\xbf" + content)) == expected
    assert rows(source(tmp_path, b"a,b\r\n1,x\n2,y\r\n")) == expected


@pytest.mark.parametrize(("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress)])
def test_compressed_files_and_tabs(tmp_path: Path, suffix: str, compress: Any) -> None:
    assert rows(source(tmp_path, compress(b"a\tb\n1\tx\n"), f"a.tsv.{suffix}")) == [{"a": 1, "b": "x"}]


def test_a_schema_says_what_cells_are(tmp_path: Path) -> None:
    fields = {
        "code": v.string(),
        "big": v.int64(),
        "done": v.optional(v.boolean()),
        "km": v.optional(v.number()),
        "kind": v.union(v.literal("1"), v.literal("2")),
        "any": v.any(),
    }
    content = b"code,big,done,km,kind,any\n007,9223372036854775807,true,,1,x\n,1,,3,2,4\n"
    assert rows(source(tmp_path, content, fields=fields)) == [
        {"code": "007", "big": 2**63 - 1, "done": True, "km": None, "kind": "1", "any": "x"},
        {"code": "", "big": 1, "done": None, "km": 3, "kind": "2", "any": 4.0},
    ]


def test_typed_cells(tmp_path: Path) -> None:
    content = b"t,b,n,s\n2013-01-01T10:00:00Z,True,NA,x\n2013-01-02T00:00:00Z,false,3,NA\n"
    found = rows(source(tmp_path, content, infer="typed"))
    assert [(row["b"], row["n"], row["s"]) for row in found] == [(True, None, "x"), (False, 3, None)]
    assert found[0]["t"].timestamp() == 1357034400


@pytest.mark.parametrize(
    ("late", "last"),
    [("1.5", 1.5), ("x", "x"), ("", None), ('"x\ny"', "x\ny")],
)
def test_a_column_may_change_its_type_in_a_later_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: str, last: Any
) -> None:
    monkeypatch.setattr(csv_source, "SAMPLE_BYTES", 64)
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", 64)
    content = "a,b\n" + "".join(f"{number},1\n" for number in range(100)) + f"{late},1\n"
    tried = source(tmp_path, content.encode())
    found = [row["a"] for row in rows(tried)]
    assert found[-1] == last
    assert found[:100] == list(range(100))
    settled = source(tmp_path, content.encode())
    settled.settle()
    assert [row["a"] for batch in settled.batches() for row in batch.to_pylist()] == found


def test_a_column_that_begins_with_empty_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_source, "SAMPLE_BYTES", 64)
    monkeypatch.setattr(csv_source, "BLOCK_BYTES", 64)
    for late, first in (("5", None), ("x", "")):
        content = "a,b\n" + ",1\n" * 100 + f"{late},1\n"
        found = [row["a"] for row in rows(source(tmp_path, content.encode()))]
        assert (found[0], found[-1]) == (first, int(late) if late.isdigit() else late)


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        (b"", {}, "a.csv is empty"),
        (b"\n\n", {}, "a.csv is empty"),
        (b"a,b\n1,2\n3\n", {}, "line 3 of a.csv: The header has 2 columns, and this row 1"),
        (b'a,b\n"x\ny",2\n3,4,5\n', {}, "line 4 of a.csv: The header has 2 columns, and this row 3"),
        (b"a,b\n1,caf\xe9\n", {}, "Line 2 of a.csv is not text in utf-8.*latin-1"),
        ("a,b\né,1\n".encode("utf-16"), {}, "UTF-16"),
        (b"a\n1\n", {"encoding": "utf-99"}, "no encoding"),
        (b"PK\x03\x04...", {}, "import_zip"),
        (b"a\n1\n12345678901234567890\n", {}, "line 3 of a.csv, field `a`: This whole number"),
    ],
)
def test_what_is_no_csv(tmp_path: Path, content: bytes, options: Any, says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        rows(source(tmp_path, content, **options))


def test_the_first_ten_ragged_rows_are_named(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1\n" * 20
    with pytest.raises(InvalidValueError) as error:
        rows(source(tmp_path, content))
    assert str(error.value).count("\nline ") == 10
    assert "line 11 of" in str(error.value)


@pytest.mark.parametrize(("encoding", "text"), [("latin-1", "é"), ("utf-16", "é"), ("cp1252", "€")])
def test_other_encodings(tmp_path: Path, encoding: str, text: str) -> None:
    assert rows(source(tmp_path, f"a\n{text}\n".encode(encoding), encoding=encoding)) == [{"a": text}]


def test_names_of_columns_are_taken_without_the_spaces_around_them(tmp_path: Path) -> None:
    assert rows(source(tmp_path, b"a, b\n1,2\n", fields={"b": v.string()})) == [{"a": 1, "b": "2"}]


def test_only_a_header(tmp_path: Path) -> None:
    assert rows(source(tmp_path, b"a,b\n")) == []


def test_a_row_is_found_again(tmp_path: Path) -> None:
    found = source(tmp_path, b'a,b\n"x\ny",1\n\nz,2\n')
    assert [found.place(row) for row in (0, 1)] == ["line 2 of a.csv", "line 5 of a.csv"]


def test_arrays_of_numbers_and_texts_are_unions(tmp_path: Path) -> None:
    batch = next(iter(source(tmp_path, b"a\n1\nx\n").batches()))
    assert pa.types.is_union(batch.schema.field("a").type)
