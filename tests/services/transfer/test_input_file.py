from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from convex_nb import ConvexNbError, InvalidValueError
from convex_nb.services.transfer.input_file import InputFile


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.csv", "csv"),
        ("A.CSV.GZ", "csv"),
        ("a.tsv", "tsv"),
        ("a.b.json", "json"),
        ("a.jsonl", "jsonl"),
        ("a.ndjson.zst", "jsonl"),
        ("a.pq", "parquet"),
        ("a.feather", "arrow"),
    ],
)
def test_formats_by_name(tmp_path: Path, name: str, format: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert InputFile(tmp_path / name).format == format
    assert InputFile(str(tmp_path / name), "csv").format == "csv"


def test_open_files_are_read_as_often_as_wanted(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("é")
    with path.open("rb") as file:
        found = InputFile(file)
    assert (found.name, found.format) == ("a.csv", "csv")
    for _ in range(2):
        with found.open() as stream:
            assert stream.read() == "é".encode()
    assert InputFile(io.StringIO("é"), "csv").first_bytes(9) == "é".encode()
    assert InputFile(io.BytesIO(b"x"), "csv").name == "the file"


def test_compressed_content(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"abc"))
    assert InputFile(tmp_path / "a.csv.gz").first_bytes(9) == b"abc"
    with InputFile(tmp_path / "a.csv.gz").arrow_stream() as stream:
        assert stream.read() == b"abc"


@pytest.mark.parametrize(
    ("name", "format", "says"),
    [
        ("a.xlsx", None, "read_excel"),
        ("a.zip", None, "import_zip"),
        ("a", None, "format="),
        ("a.csv", "excel", "format is one of"),
    ],
)
def test_what_is_not_known(tmp_path: Path, name: str, format: Any, says: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(InvalidValueError, match=says):
        InputFile(tmp_path / name, format)


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="folder"):
        (tmp_path / "a.csv").mkdir()
        InputFile(tmp_path / "a.csv")
    with pytest.raises(InvalidValueError, match="folder"):
        InputFile(tmp_path)
    with pytest.raises(FileNotFoundError, match="no file") as error:
        InputFile(tmp_path / "b.csv")
    assert isinstance(error.value, ConvexNbError)
