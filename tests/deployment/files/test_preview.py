"""How a file looks in a notebook."""

from __future__ import annotations

import io

import pandas as pd
import pytest

import convex_nb
from convex_nb.deployment.files.preview import MOST_EMBEDDED, MOST_TEXT, preview_html, size_text

SCRIPT = b"<script>alert(1)</script>"


def html(data: bytes, kind: str | None) -> str:
    with convex_nb.open() as dep:
        file = dep.files[dep.files.store(data, content_type=kind)]
        bundle = file._repr_mimebundle_()
        assert bundle["text/plain"] == repr(file)
        assert bundle["text/html"] == preview_html(file)
        return bundle["text/html"]


@pytest.mark.parametrize(
    ("kind", "tag"),
    [
        ("image/png", '<img src="data:image/png;base64,'),
        ("image/svg+xml", '<img src="data:image/svg+xml;base64,'),
        ("IMAGE/PNG; x=y", '<img src="data:image/png;base64,'),
        ("audio/mpeg", '<audio controls src="data:audio/mpeg;base64,'),
        ("video/mp4", '<video controls src="data:video/mp4;base64,'),
        ("application/pdf", '<embed src="data:application/pdf;base64,'),
        ("text/plain", "<pre"),
        ("text/html", "<pre"),
        ("application/json", "<pre"),
        ("application/ld+json", "<pre"),
        ("application/xhtml+xml", "<pre"),
    ],
)
def test_each_kind_is_shown_as_what_it_is(kind: str, tag: str) -> None:
    shown = html(SCRIPT, kind)
    assert tag in shown
    assert "<script" not in shown


@pytest.mark.parametrize(
    "kind", [None, "application/zip", "application/octet-stream", 'image/png"onerror="x', "text/x;<script>"]
)
def test_nothing_of_a_file_is_run(kind: str | None) -> None:
    shown = html(SCRIPT, kind)
    assert "<script" not in shown
    assert '"onerror="' not in shown


def test_a_large_file_is_not_kept_in_the_notebook() -> None:
    shown = html(b"x" * (MOST_EMBEDDED + 1), "image/png")
    assert "Too large" in shown
    assert len(shown) < 500


def test_of_a_long_text_the_beginning_is_shown() -> None:
    shown = html("ä".encode() * MOST_TEXT, "text/plain")
    assert shown.count("ä") == MOST_TEXT // 2
    assert "…" in shown


def test_columns_of_a_parquet_file() -> None:
    buffer = io.BytesIO()
    pd.DataFrame({"<b>": [1, 2], "c": ["x", "y"]}).to_parquet(buffer)
    shown = html(buffer.getvalue(), "application/vnd.apache.parquet")
    assert "2 rows" in shown
    assert "&lt;b&gt;: int64" in shown
    assert "Not readable" in html(SCRIPT, "application/vnd.apache.parquet")


def test_a_file_that_is_gone_says_so() -> None:
    with convex_nb.open() as dep:
        file = dep.files[dep.files.store(b"abc", content_type="text/plain")]
        dep._database.files.chunks.delete(file._record.number)
        assert "gone" in preview_html(file)


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (1_234_567, "1.23 MB"), (5e15, "5e+03 TB")]
)
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text
