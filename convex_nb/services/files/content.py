"""What can be stored as a file: bytes, files, and things that have a usual form as one."""

from __future__ import annotations

import io
import mimetypes
import re
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Final, NamedTuple

from convex_nb.engine.files.chunks import CHUNK_BYTES
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.services.files.stored_file import StoredFile

NOTHING: Final = "Nothing was stored."
PARQUET: Final = "application/vnd.apache.parquet"
_CONTENT_TYPE: Final = re.compile(r"[!-~]+(?:[ \t]*[!-~]+)*")
_MOST_CONTENT_TYPE: Final = 255


class MissingContentError(InvalidValueError, FileNotFoundError):
    """There is no file of this name; nothing was stored."""


class Content(NamedTuple):
    """The bytes of a file to be, piece by piece, and what type they are where that is known."""

    pieces: Iterable[bytes | memoryview]
    content_type: str | None


def content_of(data: Any) -> Content:
    """What is to be stored for a value. Raises `InvalidValueError` for one that has no form as a file."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return Content((memoryview(data).cast("B"),) if memoryview(data).contiguous else (bytes(data),), None)
    if isinstance(data, (str, PathLike)):
        return _of_path(data)
    if isinstance(data, StoredFile):
        return Content(data.chunks(), data.content_type)
    for form in (_of_upload, _of_image, _of_figure, _of_frame, _of_open_file):
        content = form(data)
        if content is not None:
            return content
    if isinstance(data, Iterator):
        return Content(_checked(data), None)
    raise InvalidValueError(
        f"store() takes bytes, a path, an open binary file, the value of a FileUpload widget, an image, a figure or a "
        f"frame, not {describe(data, 80)}. {NOTHING} Text is stored as bytes: `text.encode()`.",
        value=data,
    )


def check_content_type(content_type: object) -> str | None:
    """`content_type` if it can be a header of a reply. Raises `InvalidValueError`."""
    if content_type is None or (
        isinstance(content_type, str)
        and len(content_type) <= _MOST_CONTENT_TYPE
        and _CONTENT_TYPE.fullmatch(content_type)
    ):
        return content_type
    raise InvalidValueError(
        f"content_type is a text such as 'image/png', of at most {_MOST_CONTENT_TYPE} plain characters, not "
        f"{describe(content_type, 80)}. {NOTHING}",
        value=content_type,
    )


def _of_path(given: str | PathLike[str]) -> Content:
    path = Path(given).expanduser()
    if path.is_dir():
        raise InvalidValueError(f"{path} is a folder. {NOTHING} Store the files in it one by one.", value=str(path))
    if not path.is_file():
        hint = "" if isinstance(given, PathLike) else " A text is taken for a path; to store it, `text.encode()` it."
        raise MissingContentError(f"There is no file {describe(str(path), 80)}. {NOTHING}{hint}", value=str(path))
    return Content(_opened(path), mimetypes.guess_type(path.name)[0])


def _opened(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece


def _of_upload(data: Any) -> Content | None:
    """What ipywidgets' FileUpload has: the widget, its value, or one file of that."""
    if _is_from(data, "ipywidgets") and hasattr(data, "value"):
        data = data.value
    if isinstance(data, (tuple, list)) and all(isinstance(each, Mapping) for each in data):
        if len(data) != 1:
            raise InvalidValueError(
                f"store() stores one file, and {len(data)} were uploaded. {NOTHING} Store each: "
                "`[ctx.storage.store(file) for file in upload.value]`.",
                value=len(data),
            )
        data = data[0]
    if not isinstance(data, Mapping) or "content" not in data:
        return None
    content = content_of(data["content"])
    kind = data.get("type") or mimetypes.guess_type(str(data.get("name", "")))[0]
    return content._replace(content_type=kind)


def _of_image(data: Any) -> Content | None:
    if not _is_from(data, "PIL") or not hasattr(data, "save"):
        return None
    form = data.format or "PNG"
    buffer = io.BytesIO()
    data.save(buffer, format=form)
    return Content((buffer.getbuffer(),), mimetypes.guess_type(f"image.{form.lower()}")[0])


def _of_figure(data: Any) -> Content | None:
    if not _is_from(data, "matplotlib", "seaborn"):
        return None
    figure = data if hasattr(data, "savefig") else getattr(data, "figure", None)
    if figure is None or not hasattr(figure, "savefig"):
        return None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return Content((buffer.getbuffer(),), "image/png")


def _of_frame(data: Any) -> Content | None:
    buffer = io.BytesIO()
    if _is_from(data, "pandas") and hasattr(data, "to_parquet"):
        data.to_parquet(buffer)
    elif _is_from(data, "polars") and hasattr(data, "write_parquet"):
        data.write_parquet(buffer)
    elif _is_from(data, "pyarrow") and hasattr(data, "to_batches"):
        import pyarrow.parquet

        pyarrow.parquet.write_table(data, buffer)
    else:
        return None
    return Content((buffer.getbuffer(),), PARQUET)


def _of_open_file(data: Any) -> Content | None:
    if not callable(getattr(data, "read", None)):
        return None
    name = getattr(data, "name", None)
    kind = mimetypes.guess_type(Path(name).name)[0] if isinstance(name, str) else None
    return Content(_checked(iter(lambda: data.read(CHUNK_BYTES), b"")), kind)


def _checked(pieces: Iterator[Any]) -> Iterator[bytes]:
    for piece in pieces:
        if not isinstance(piece, (bytes, bytearray, memoryview)):
            hint = " Open the file with mode 'rb'." if isinstance(piece, str) else ""
            raise InvalidValueError(f"A file has bytes, and reading gave {describe(piece, 80)}. {NOTHING}{hint}")
        yield bytes(piece)


def _is_from(data: Any, *packages: str) -> bool:
    return any(each.__module__.partition(".")[0] in packages for each in type(data).__mro__)
