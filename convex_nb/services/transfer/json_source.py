"""Rows of JSON: an object on each line, or one array of objects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.bulk.offenders import MOST, ImportedValuesError, Offender
from convex_nb.language.describing import describe
from convex_nb.language.encoding import from_json
from convex_nb.language.errors import InvalidValueError
from convex_nb.services.transfer import source

if TYPE_CHECKING:
    from convex_nb.services.transfer.input_file import InputFile

MOST_ARRAY_BYTES: Final = 8 << 20
"""An array has to be read at once, so that the reference takes none that is larger."""
_TAG: Final = b'"$'
"""What begins the name of a tag of the lossless encoding; no field is called so."""
_BOM: Final = b"\xef\xbb\xbf"


class JsonLinesSource(source.RowByRow):
    """The objects of a file of JSON lines. Empty lines are passed over."""

    def __init__(self, file: InputFile, table: str) -> None:
        self._file = file
        self._table = table
        # The first row after each gap of empty lines, and its line.
        self._lines: list[tuple[int, int]] = [(0, 1)]

    def batches(self) -> Iterator[list[Mapping[str, Any]]]:
        """Its objects."""
        self._file.check_text("utf-8")
        self._lines = [(0, 1)]
        with self._file.open() as stream:
            yield from self._read(stream)

    def _read(self, stream: Any) -> Iterator[list[Mapping[str, Any]]]:
        made: list[Mapping[str, Any]] = []
        offenders: list[Offender] = []
        row = 0
        empty = 0
        for number, line in enumerate(stream, 1):
            if number == 1:
                line = line.removeprefix(_BOM)
            if not line.strip():
                empty += 1
                continue
            if self._lines[-1][1] - self._lines[-1][0] != number - row:
                self._lines.append((row, number))
            try:
                made.append(_object(line))
            except InvalidValueError as error:
                offenders.append(Offender(row, error.path.removeprefix("."), error.reason, error.value))
                if len(offenders) == MOST:
                    break
            row += 1
            if len(made) == source.BATCH_ROWS:
                if offenders:
                    break
                yield made
                made = []
        if offenders:
            raise ImportedValuesError(self._table, [each._replace(place=self.place(each.row)) for each in offenders])
        if made:
            yield made

    def place(self, row: int) -> str:
        """The line that the row is on."""
        first, line = next(pair for pair in reversed(self._lines) if pair[0] <= row)
        return f"line {line + row - first} of {self._file.name}"


class JsonArraySource(source.RowByRow):
    """The objects of a file that is one array of them, of at most 8 MiB."""

    def __init__(self, file: InputFile) -> None:
        self._file = file

    def batches(self) -> Iterator[list[Mapping[str, Any]]]:
        """Its objects."""
        self._file.check_text("utf-8")
        with self._file.open() as stream:
            content = stream.read(MOST_ARRAY_BYTES + 1)
        name = self._file.name
        if len(content) > MOST_ARRAY_BYTES:
            raise InvalidValueError(
                f"{name} has more than {MOST_ARRAY_BYTES >> 20} MiB, the most for a JSON array: nothing was imported. "
                "Write an object on each line and import that: a .jsonl file may have any size.",
                value=name,
            )
        try:
            rows = _parsed(content.removeprefix(_BOM))
        except InvalidValueError as error:
            hint = (
                " If it has an object on each line, import it with `format='jsonl'`." if "Extra" in str(error) else ""
            )
            raise InvalidValueError(f"{name}: {error.reason} Nothing was imported.{hint}", value=name) from None
        if not isinstance(rows, list):
            raise InvalidValueError(
                f"{name} holds {describe(rows, 80)}, not an array of objects: nothing was imported. For an object on "
                "each line the file is called .jsonl, or say `format='jsonl'`.",
                value=name,
            )
        if _TAG in content:
            rows = [from_json(row) for row in rows]
        for start in range(0, len(rows), source.BATCH_ROWS):
            yield rows[start : start + source.BATCH_ROWS]

    def place(self, row: int) -> str:
        """The element of the array."""
        return f"element {row} of {self._file.name}"


def parsed_object(line: bytes) -> dict[str, Any]:
    """The object that a line of JSON is. Raises `InvalidValueError`."""
    form = _parsed(line)
    if type(form) is not dict:
        raise InvalidValueError("Each line is one JSON object.", value=form)
    return form


def _object(line: bytes) -> Mapping[str, Any]:
    form = parsed_object(line)
    if _TAG in line:
        form = from_json(form)
    return form


def _parsed(text: bytes) -> Any:
    try:
        return _loads(text.decode())
    except UnicodeDecodeError as error:
        raise InvalidValueError(f"The text is not UTF-8 (byte {error.start}).", value=text[:40]) from None
    except RecursionError:
        raise InvalidValueError("The JSON is nested too deeply.") from None
    except ValueError as error:
        raise InvalidValueError(f"This is not JSON: {error}.", value=text[:80].decode(errors="replace")) from None


_loads: Final[Callable[[str], Any]] = json.loads
