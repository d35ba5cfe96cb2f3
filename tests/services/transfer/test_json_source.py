from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from convex_nb import Int64, InvalidValueError, dumps
from convex_nb.services.transfer import source
from convex_nb.services.transfer.input_file import InputFile
from convex_nb.services.transfer.json_source import JsonArraySource, JsonLinesSource


def lines(tmp_path: Path, content: bytes, name: str = "a.jsonl") -> JsonLinesSource:
    (tmp_path / name).write_bytes(content)
    return JsonLinesSource(InputFile(tmp_path / name), "t")


def rows(source: Any) -> list[Any]:
    return [row for batch in source.batches() for row in batch]


def test_lines(tmp_path: Path) -> None:
    found = lines(tmp_path, b'\xef\xbb\xbf{"a": 1, "b": null}\r\n\n{"a": 2.0}\n{}')
    assert rows(found) == [{"a": 1, "b": None}, {"a": 2.0}, {}]
    assert [type(row.get("a")) for row in rows(found)] == [int, float, type(None)]
    assert [found.place(row) for row in range(3)] == [f"line {number} of a.jsonl" for number in (1, 3, 4)]


def test_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "BATCH_ROWS", 2)
    found = lines(tmp_path, b'{"a": 1}\n' * 5)
    assert [len(batch) for batch in found.batches()] == [2, 2, 1]


def test_the_lossless_encoding_is_read(tmp_path: Path) -> None:
    value = {"a": Int64(5), "b": b"\x00", "c": float("inf"), "d": [-0.0]}
    (found,) = rows(lines(tmp_path, dumps(value).encode()))
    assert dumps(found) == dumps(value)


def test_what_is_no_object_is_named_with_its_line(tmp_path: Path) -> None:
    content = b'{"a": 1}\n\n[1]\n{"a": \n"x\xff"\n{"a": {"$integer": 1}}\n' + b"x\n" * 20
    with pytest.raises(InvalidValueError) as error:
        rows(lines(tmp_path, content))
    text = str(error.value)
    assert text.count("\nline ") == 10
    assert "line 3 of a.jsonl: Each line is one JSON object" in text
    assert "line 4 of a.jsonl: This is not JSON" in text
    assert "line 5 of a.jsonl: The text is not UTF-8" in text
    assert "line 6 of a.jsonl, field `a`: $integer" in text


def array(tmp_path: Path, content: bytes) -> JsonArraySource:
    (tmp_path / "a.json").write_bytes(content)
    return JsonArraySource(InputFile(tmp_path / "a.json"))


def test_arrays(tmp_path: Path) -> None:
    assert rows(array(tmp_path, b'[{"a": 1}, {"a": {"$integer": "BQAAAAAAAAA="}}]')) == [{"a": 1}, {"a": Int64(5)}]
    assert rows(array(tmp_path, b"[]")) == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"a": 1}', "not an array of objects.*jsonl"),
        (b'{"a": 1}\n{"a": 2}', "jsonl"),
        (b"", "This is not JSON"),
        (b'[{"a": 1}', "This is not JSON"),
        (b"[" + b" " * (9 << 20) + b"]", "8 MiB.*jsonl"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_array(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(InvalidValueError, match=says):
        rows(array(tmp_path, content))


def test_python_writes_nan_and_it_is_read(tmp_path: Path) -> None:
    (found,) = rows(lines(tmp_path, json.dumps({"a": float("nan")}).encode()))
    assert found["a"] != found["a"]
