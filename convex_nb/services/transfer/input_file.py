"""What a user gave to be read: the path of a file, or an open one."""

from __future__ import annotations

import bz2
import gzip
import io
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, TypeAlias, cast, get_args

from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError

Format: TypeAlias = Literal["csv", "tsv", "json", "jsonl", "parquet", "arrow"]

_FORMATS: Final[dict[str, Format]] = {
    "csv": "csv",
    "tsv": "tsv",
    "json": "json",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "parquet": "parquet",
    "pq": "parquet",
    "arrow": "arrow",
    "feather": "arrow",
    "ipc": "arrow",
}
_COMPRESSED: Final = frozenset({"gz", "bz2", "zst", "lz4"})
_BEGINNINGS: Final = {
    b"PK\x03\x04": "a ZIP file: `dep.import_zip(path)` imports what `dep.export(path)` wrote",
    b"SQLite format 3\x00": "a database file: `convex_nb.open(path)` opens one of ours",
    b"\xff\xfe": "text in UTF-16: say so with `encoding='utf-16'`",
    b"\xfe\xff": "text in UTF-16: say so with `encoding='utf-16'`",
}


class MissingFileError(InvalidValueError, FileNotFoundError):
    """There is no file of this name; nothing was imported."""


class InputFile:
    """A file to import from, which can be read from its beginning several times.

    An open file is read into memory, from where it stands. Raises `InvalidValueError` for what cannot be read.
    """

    def __init__(self, data: Any, format: str | None = None) -> None:
        self._path: Path | None = None
        self._content: bytes | None = None
        if isinstance(data, (str, PathLike)):
            self._path = Path(data).expanduser()
            name = self._path.name
            if self._path.is_dir():
                raise InvalidValueError(
                    f"{self._path} is a folder: nothing was imported. Import the files in it one by one.",
                    value=str(self._path),
                )
        else:
            content = data.read()
            self._content = content.encode() if isinstance(content, str) else bytes(content)
            name = Path(str(getattr(data, "name", ""))).name
        self.name = name or "the file"
        words = name.lower().split(".")
        if words[-1] in _COMPRESSED:
            words.pop()
        self.format: Format = self._format_of(words[-1], format)
        if self._path is not None and not self._path.exists():
            raise MissingFileError(
                f"There is no file {self._path}: nothing was imported. It was looked for in {Path.cwd()}.",
                value=str(self._path),
            )

    def _format_of(self, suffix: str, given: str | None) -> Format:
        if given is not None:
            if given not in get_args(Format):
                names = ", ".join(map(repr, get_args(Format)))
                raise InvalidValueError(f"format is one of {names}, not {describe(given, 80)}.", value=given)
            return cast("Format", given)
        found = _FORMATS.get(suffix)
        if found is None:
            hint = "Say what is in it, as in `format='csv'`."
            if suffix == "zip" and Path(self.name).stem.rpartition(".")[2].lower() in _FORMATS:
                hint = "Unpack it first; what is packed as `.gz` is read as it is."
            elif suffix == "zip":
                hint = "`dep.import_zip(path)` imports what `dep.export(path)` wrote."
            elif suffix in ("xlsx", "xls", "ods"):
                hint = "Read it with `pandas.read_excel(path)`, and import the frame."
            raise InvalidValueError(
                f"{self.name} is not a CSV or Parquet file, nor JSON or Arrow, by its name: nothing was imported. "
                f"{hint}",
                value=self.name,
            )
        return found

    def open(self) -> BinaryIO:
        """The bytes from the beginning, decompressed if the name says that they are compressed."""
        if self._path is None:
            return io.BytesIO(cast(bytes, self._content))
        suffix = self._path.suffix.lower()
        try:
            if suffix == ".gz":
                return cast(BinaryIO, gzip.open(self._path, "rb"))
            if suffix == ".bz2":
                return cast(BinaryIO, bz2.open(self._path, "rb"))
            if suffix not in (".zst", ".lz4"):
                return self._path.open("rb")
        except OSError as error:
            raise self._unreadable(error) from None
        return cast(BinaryIO, io.BufferedReader(self.arrow_stream()))

    def arrow_stream(self) -> Any:
        """The same as a stream that pyarrow reads without asking Python for every piece."""
        import pyarrow as pa

        if self._path is None:
            return pa.BufferReader(self._content)
        try:
            return pa.input_stream(str(self._path), compression="detect", buffer_size=1 << 20)
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> InvalidValueError:
        return InvalidValueError(f"{self.name} cannot be read ({error}): nothing was imported.", value=self.name)

    def source(self) -> Any:
        """What pyarrow's readers of whole files take, which find their way in it by themselves."""
        import pyarrow as pa

        return str(self._path) if self._path is not None else pa.BufferReader(self._content)

    def first_bytes(self, count: int) -> bytes:
        """The beginning of it."""
        with self.open() as stream:
            return stream.read(count)

    def check_text(self, encoding: str) -> None:
        """Raise `InvalidValueError` for what is no text by its first bytes, so that nobody reads letters into it."""
        beginning = self.first_bytes(16)
        for bytes_, what in _BEGINNINGS.items():
            if beginning.startswith(bytes_) and not encoding.lower().replace("-", "").startswith("utf16"):
                raise InvalidValueError(f"{self.name} is {what}. Nothing was imported.", value=self.name)
