"""A file as a notebook shows it. Nothing of it is ever run: what could be is shown as an image or as its text."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING, Final

from convex_nb.language.errors import ConvexNbError
from convex_nb.services.files.content import PARQUET

if TYPE_CHECKING:
    from convex_nb.services.files.stored_file import StoredFile

MOST_EMBEDDED: Final = 4 << 20
"""Bytes of a file that a notebook keeps in its output."""
MOST_TEXT: Final = 4000
"""Bytes of a text that are shown."""
_TEXTS: Final = (
    "application/json",
    "application/javascript",
    "application/xml",
    "application/x-ndjson",
    "application/x-yaml",
    "application/toml",
    "application/sql",
)
_UNITS: Final = ("bytes", "kB", "MB", "GB", "TB")


def size_text(size: float) -> str:
    """Return so many bytes as people say it: `1.2 MB`."""
    for unit in _UNITS[:-1]:
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {_UNITS[-1]}"


def preview_html(file: StoredFile) -> str:
    """Return what a notebook shows of a file. Costs what reading it costs, up to `MOST_EMBEDDED`."""
    kind = file.content_type or "no content type"
    head = f"<code>{escape(file.id)}</code>: {escape(kind)}, {escape(size_text(file.size))}"
    try:
        shown = _shown(file)
    except ConvexNbError as error:
        shown = f"<em>{escape(str(error))}</em>"
    return f"<div>{shown}<div>{head}</div></div>"


def _shown(file: StoredFile) -> str:
    kind = (file.content_type or "").partition(";")[0].strip().lower()
    family = kind.partition("/")[0]
    if family == "text" or kind in _TEXTS or (kind.endswith(("+json", "+xml")) and family != "image"):
        return _text(file)
    if kind == PARQUET:
        return _columns(file)
    if family not in ("image", "audio", "video") and kind != "application/pdf":
        return ""
    if file.size > MOST_EMBEDDED:
        return f"<em>Too large to be kept in a notebook ({escape(size_text(file.size))}): .save(path) writes it.</em>"
    source = f"data:{escape(kind)};base64,{base64.b64encode(file.read()).decode()}"
    if family == "image":
        # Scripts of an SVG do not run in an image.
        return f'<img src="{source}" alt="{escape(file.id)}" style="max-width:100%;max-height:480px">'
    if kind == "application/pdf":
        return f'<embed src="{source}" type="application/pdf" style="width:100%;height:480px">'
    return f'<{family} controls src="{source}" style="max-width:100%"></{family}>'


def _text(file: StoredFile) -> str:
    text = file.read(0, MOST_TEXT).decode("utf-8", errors="replace")
    more = "" if file.size <= MOST_TEXT else "…"
    return f'<pre style="max-height:360px;overflow:auto">{escape(text)}{more}</pre>'


def _columns(file: StoredFile) -> str:
    import pyarrow
    import pyarrow.parquet

    try:
        with file.open() as source:
            parquet = pyarrow.parquet.ParquetFile(source)
            rows, schema = parquet.metadata.num_rows, parquet.schema_arrow.remove_metadata()
    except (pyarrow.ArrowException, OSError) as error:
        return f"<em>Not readable as Parquet: {escape(str(error))}</em>"
    return f"<pre>{rows:,} rows\n{escape(str(schema))}</pre>"
