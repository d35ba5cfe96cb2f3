"""What can be stored as a file."""

from __future__ import annotations

import io
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import convex_nb
from convex_nb import InvalidValueError
from convex_nb.services.files.content import PARQUET, content_of
from convex_nb.services.files.storing import parse_digest

PIXEL = "image/png"


def stored(value: Any) -> tuple[bytes, str | None]:
    content = content_of(value)
    return b"".join([bytes(piece) for piece in content.pieces]), content.content_type


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"abc", (b"abc", None)),
        (bytearray(b"abc"), (b"abc", None)),
        (memoryview(b"aXbXcX")[::2], (b"abc", None)),
        (memoryview(b"\x01\x00\x02\x00").cast("H"), (b"\x01\x00\x02\x00", None)),
        (io.BytesIO(b"abc"), (b"abc", None)),
        (iter([b"a", bytearray(b"bc")]), (b"abc", None)),
        ({"name": "a.png", "type": "", "content": memoryview(b"abc")}, (b"abc", "image/png")),
        (({"name": "a.png", "type": "image/x", "content": b"abc"},), (b"abc", "image/x")),
    ],
    ids=["bytes", "bytearray", "strided", "words", "stream", "iterator", "upload", "uploads"],
)
def test_bytes_and_streams(value: Any, expected: tuple[bytes, str | None]) -> None:
    assert stored(value) == expected


def test_paths_and_open_files(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"abc")
    assert stored(path) == stored(str(path)) == (b"abc", "text/plain")
    with path.open("rb") as file:
        assert stored(file) == (b"abc", "text/plain")
    with tempfile.TemporaryFile() as unnamed:
        unnamed.write(b"abc")
        unnamed.seek(1)
        assert stored(unnamed) == (b"bc", None)
    with path.open() as text, pytest.raises(InvalidValueError, match="mode 'rb'"):
        stored(text)
    with pytest.raises(InvalidValueError, match="a folder"):
        stored(tmp_path)


def test_a_text_is_a_path_and_says_so() -> None:
    with pytest.raises(FileNotFoundError, match=r"text\.encode\(\)"):
        stored("hello world")


def test_an_uploading_widget() -> None:
    import ipywidgets

    upload = ipywidgets.FileUpload(multiple=True)
    now = datetime.now(UTC)
    upload.value = ({"name": "a.csv", "type": "text/csv", "size": 3, "content": b"abc", "last_modified": now},)
    assert stored(upload) == stored(upload.value) == stored(upload.value[0]) == (b"abc", "text/csv")
    with pytest.raises(InvalidValueError, match="2 were uploaded"):
        stored(upload.value * 2)
    with pytest.raises(InvalidValueError, match="0 were uploaded"):
        stored(())


def test_figures_and_images() -> None:
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt
    from PIL import Image

    figure, axes = plt.subplots(figsize=(1, 1))
    for value in (figure, axes):
        data, kind = stored(value)
        assert (data[:4], kind) == (b"\x89PNG", PIXEL)
    plt.close(figure)
    image = Image.new("RGB", (2, 2))
    data, kind = stored(image)
    assert (data[:4], kind) == (b"\x89PNG", PIXEL)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    data, kind = stored(Image.open(buffer))
    assert (data[:2], kind) == (b"\xff\xd8", "image/jpeg")


@pytest.mark.parametrize(
    "frame",
    [pd.DataFrame({"a": [1, 2]}), pl.DataFrame({"a": [1, 2]}), pa.table({"a": [1, 2]})],
    ids=["pandas", "polars", "arrow"],
)
def test_frames_become_parquet(frame: Any) -> None:
    data, kind = stored(frame)
    assert kind == PARQUET
    assert pd.read_parquet(io.BytesIO(data))["a"].tolist() == [1, 2]


@pytest.mark.parametrize("value", [5, None, ["a"], {"a": 1}, 1.5, [b"a"]])
def test_what_has_no_form_as_a_file_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValueError, match="Nothing was stored"):
        stored(value)


def test_another_stored_file_is_copied_with_its_type() -> None:
    with convex_nb.open() as dep, convex_nb.open() as other:
        first = dep.files.store(b"abc", content_type="text/x")
        second = other.files.store(dep.files[first])
        assert (other.files[second].read(), other.files[second].content_type) == (b"abc", "text/x")


@pytest.mark.parametrize("content_type", ["", "a\nb", "ü", "x" * 256, " a", 5, "a\r\nSet-Cookie: x"])
def test_a_content_type_can_be_a_header(content_type: Any) -> None:
    with convex_nb.open() as dep:
        with pytest.raises(InvalidValueError, match="content_type"):
            dep.files.store(b"", content_type=content_type)
        assert len(dep.files) == 0
        dep.files.store(b"", content_type='text/plain; charset="utf-8"')


def test_the_type_that_an_upload_brings_is_looked_at_as_well() -> None:
    with convex_nb.open() as dep, pytest.raises(InvalidValueError, match="content_type"):
        dep.files.store({"name": "x", "type": "a\nb", "content": b""})


@pytest.mark.parametrize(
    "digest",
    [
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        "sha-256=ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        bytes.fromhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_digests_are_written_in_many_ways(digest: str | bytes) -> None:
    assert parse_digest(digest) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize("digest", ["", "zz", "sha-512=AAAA", b"short", "A" * 63, 5])
def test_what_is_no_digest_is_refused(digest: Any) -> None:
    with pytest.raises(InvalidValueError, match="Nothing was stored"):
        parse_digest(digest)
