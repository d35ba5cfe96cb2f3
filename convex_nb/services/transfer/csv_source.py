"""Rows of CSV files: what type a column is, what an empty cell means, and where a bad row is."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from convex_nb.engine.bulk.offenders import MOST, ImportedValuesError, Offender
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.validators import (
    BooleanValidator,
    IdValidator,
    Int64Validator,
    LiteralValidator,
    NullValidator,
    NumberValidator,
    StringValidator,
    UnionValidator,
    Validator,
)
from convex_nb.services.transfer.source import StartAgain

if TYPE_CHECKING:
    import pyarrow

    from convex_nb.services.transfer.input_file import InputFile

Infer: TypeAlias = Literal["convex", "typed"]
"""`"convex"`: cells are numbers or texts. `"typed"`: booleans and times as well, and empty cells are missing."""
Kind: TypeAlias = Literal["empty", "int", "float", "boolean", "time", "text", "cells"]
"""What the cells of a column are: `cells` is each a number or a text by itself."""

BLOCK_BYTES: Final = 1 << 20
"""Arrow reads some thirty of them ahead: that is the memory which reading takes, however long the file."""
SAMPLE_BYTES: Final = 1 << 18
_NOT_THERE: Final = ["", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "#N/A"]
_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_LONG_DIGITS: Final = r"^[+-]?[0-9]{16,}$"
_COLUMN_OF_ERROR: Final = re.compile(r"In CSV column #(\d+)")


class CsvSource:
    """The rows of a CSV file with a header.

    A column whose cells all read as numbers is of numbers; empty cells, `NA` and the like are missing fields in it. In
    any other column each cell that reads as a number is one, and the rest is text, empty cells too. Where the table's
    schema says what a field is, that counts: texts stay as they are, `true` and `false` are booleans. Types are guessed
    from the first lines and corrected when a later one shows that they were not right.
    """

    total = 0

    def __init__(
        self,
        file: InputFile,
        table: str,
        fields: Mapping[str, Validator] | None = None,
        *,
        infer: Infer = "convex",
        encoding: str = "utf-8",
    ) -> None:
        self._file = file
        self._table = table
        self._infer = infer
        self._encoding = encoding
        self._delimiter = "\t" if file.format == "tsv" else ","
        self._fixed = {name: _kind_of(validator) for name, validator in (fields or {}).items()}
        self._kinds: dict[str, Kind] = {}
        self._ragged = 0

    # -- reading -------------------------------------------------------------------------------------------------

    def batches(self) -> Iterator[pyarrow.Table]:
        """Its rows; one batch without rows where it has only a header.

        Raises `InvalidValueError` for what is no CSV, and `ImportedValuesError` with the first ten ragged rows.
        """
        self._file.check_text(self._encoding)
        if not self._kinds:
            self._kinds = self._guessed()
        yield from self._read()

    def settle(self) -> None:
        """Read the file through until every column is what it was taken for."""
        while True:
            try:
                for _ in self.batches():
                    pass
                return
            except StartAgain:
                continue

    def _read(self) -> Iterator[pyarrow.Table]:
        import pyarrow as pa

        self._ragged = 0
        with self._file.arrow_stream() as stream, self._reader(stream, self._kinds) as reader:
            names = reader.schema.names
            first = True
            while True:
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
                except pa.ArrowInvalid as error:
                    raise self._explained(error, names) from None
                if batch.num_rows or first:
                    first = False
                    arrays = [self._converted(*pair) for pair in zip(names, batch.columns, strict=True)]
                    yield pa.table(arrays, [name.strip() for name in names])
        if self._ragged:
            raise self._ragged_error()

    def _reader(self, stream: Any, kinds: Mapping[str, Kind], block: int = 0) -> Any:
        import pyarrow as pa
        import pyarrow.csv

        types = {"int": pa.int64(), "float": pa.float64(), "boolean": pa.bool_(), "time": pa.timestamp("ms", "UTC")}
        typed = self._infer == "typed"
        try:
            return pyarrow.csv.open_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(block_size=block or BLOCK_BYTES, encoding=self._encoding),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=self._note_ragged
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types={name: types.get(kind, pa.string()) for name, kind in kinds.items()},
                    null_values=_NOT_THERE,
                    true_values=["true", "True", "TRUE"],
                    false_values=["false", "False", "FALSE"],
                    strings_can_be_null=typed,
                    timestamp_parsers=[pyarrow.csv.ISO8601],
                ),
            )
        except pa.ArrowInvalid as error:
            raise self._explained(error, list(kinds)) from None

    def _note_ragged(self, _: Any) -> str:
        self._ragged += 1
        return "skip" if self._ragged < MOST else "error"

    # -- types ---------------------------------------------------------------------------------------------------

    def _guessed(self) -> dict[str, Kind]:
        """What the cells of the first lines are, column by column."""
        import pyarrow as pa

        header = self._header()
        every_text: dict[str, Kind] = dict.fromkeys(header, "text")
        with self._file.arrow_stream() as stream, self._reader(stream, every_text, SAMPLE_BYTES) as reader:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                batch = None
            except pa.ArrowInvalid as error:
                raise self._explained(error, header) from None
        kinds: dict[str, Kind] = {}
        for place, name in enumerate(header):
            if batch is None or place >= batch.num_columns:
                kinds[name] = "text"
            else:
                kinds[name] = self._fixed.get(name.strip()) or self._kind_of_cells(batch.column(place))
        return kinds

    def _header(self) -> list[str]:
        try:
            with self._file.open() as stream:
                text = io.TextIOWrapper(stream, encoding=self._encoding, newline="")
                names = next(csv.reader(text, delimiter=self._delimiter), [])
        except UnicodeDecodeError:
            raise self._not_text() from None
        except LookupError:
            raise InvalidValueError(f"There is no encoding {self._encoding!r}. Nothing was imported.") from None
        if names:
            names[0] = names[0].removeprefix("\ufeff")
        if not any(names):
            raise InvalidValueError(
                f"{self._file.name} is empty: a CSV file begins with a line of column names. Nothing was imported.",
                value=self._file.name,
            )
        return names

    def _kind_of_cells(self, cells: Any) -> Kind:
        import pyarrow as pa
        import pyarrow.compute as pc

        # Nothing is there yet in a block of empty cells: what comes later says what they are.
        cells = cells.filter(pc.invert(pc.is_in(cells, pa.array([None, *_NOT_THERE], pa.string()))))
        if not len(cells):
            return "empty"
        attempts: list[tuple[Kind, Any]] = [("int", pa.int64()), ("float", pa.float64())]
        if self._infer == "typed":
            if pc.all(pc.is_in(pc.utf8_lower(cells), pa.array(["true", "false"]))).as_py():
                return "boolean"
            attempts.append(("time", pa.timestamp("ms", "UTC")))
        for kind, type_ in attempts:
            try:
                cells.cast(type_)
            except pa.ArrowInvalid:
                continue
            if kind == "float" and not pc.all(pc.match_substring_regex(cells, _NUMBER)).as_py():
                continue
            return kind
        return "text" if self._infer == "typed" else "cells"

    def _converted(self, name: str, cells: Any) -> Any:
        import pyarrow.compute as pc

        kind = self._kinds[name]
        if kind == "empty" and (name.strip() not in self._fixed or self._infer == "typed"):
            found = self._kind_of_cells(cells)
            if found != "empty":
                self._kinds[name] = found
                raise StartAgain
        if kind == "float" and pc.any(pc.greater_equal(pc.abs(cells), 2.0**53)).as_py():
            self._check_digits(name)
        return _number_by_number(cells) if kind == "cells" else cells

    def _check_digits(self, name: str) -> None:
        """Whole numbers beyond 64 bits would come out as other ones."""
        import pyarrow.compute as pc

        row = 0
        with self._file.arrow_stream() as stream, self._reader(stream, dict.fromkeys(self._kinds, "text")) as reader:
            for batch in reader:
                cells = batch.column(name)
                found = pc.index(pc.match_substring_regex(cells, _LONG_DIGITS), True).as_py()
                if found >= 0 and int(cells[found].as_py()) != float(cells[found].as_py()):
                    reason = (
                        "This whole number has more digits than a number keeps (2**53). Declare the field as "
                        "`v.string()` to keep its digits."
                    )
                    offender = Offender(row + found, name, reason, cells[found].as_py(), "", self.place(row + found))
                    raise ImportedValuesError(self._table, [offender])
                row += batch.num_rows

    # -- errors --------------------------------------------------------------------------------------------------

    def _explained(self, error: Exception, names: list[str]) -> Exception:
        """What pyarrow refused: cells of another type than was thought, or what is no CSV."""
        text = str(error)
        found = _COLUMN_OF_ERROR.search(text)
        if self._ragged:
            return self._ragged_error()
        if found and "invalid UTF8" not in text:
            name = names[int(found[1])]
            kind = self._kinds.get(name, "text")
            self._kinds[name] = "float" if kind == "int" else "text" if self._infer == "typed" else "cells"
            return StartAgain()
        if "UTF8" in text:
            return self._not_text()
        return InvalidValueError(
            f"{self._file.name} is not CSV ({text.splitlines()[0]}). Nothing was imported.", value=self._file.name
        )

    def _not_text(self) -> InvalidValueError:
        with self._file.open() as stream:
            number = next((number for number, line in enumerate(stream, 1) if not self._is_text(line)), 1)
        return InvalidValueError(
            f"Line {number} of {self._file.name} is not text in {self._encoding}: nothing was imported. Say what it is "
            "in, as in `encoding='latin-1'`.",
            value=self._file.name,
        )

    def _ragged_error(self) -> ImportedValuesError:
        offenders: list[Offender] = []
        with self._text() as text:
            lines = csv.reader(text, delimiter=self._delimiter)
            columns = len(next(lines))
            begins = lines.line_num + 1
            for row, cells in enumerate(filter(None, lines)):
                if len(cells) != columns:
                    reason = f"The header has {columns} columns, and this row {len(cells)}: {cells!r:.80}."
                    place = f"line {begins} of {self._file.name}"
                    offenders.append(Offender(row, "", reason, cells, "", place))
                    if len(offenders) == MOST:
                        break
                begins = lines.line_num + 1
        return ImportedValuesError(self._table, offenders)

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._file.open(), encoding=self._encoding, errors="replace", newline="")

    def _is_text(self, line: bytes) -> bool:
        try:
            line.decode(self._encoding)
        except UnicodeDecodeError:
            return False
        return True

    def place(self, row: int) -> str:
        """The line that the row begins on. Costs O(the file up to there)."""
        with self._text() as text:
            lines = csv.reader(text, delimiter=self._delimiter)
            before = 0
            rows = 0
            for cells in lines:
                if cells:
                    if rows == row + 1:
                        break
                    rows += 1
                before = lines.line_num
        return f"line {before + 1} of {self._file.name}"


def _kind_of(validator: Validator) -> Kind | None:
    """What cells of a field that a schema declares are, where it leaves no choice."""
    members = validator.members if isinstance(validator, UnionValidator) else (validator,)
    kinds = set(map(_kind_of_member, members)) - {"null"}
    found = kinds.pop() if len(kinds) == 1 else None
    return found if found != "null" else None  # type: ignore[return-value]


def _kind_of_member(validator: Validator | None) -> str | None:
    match validator:
        case StringValidator() | IdValidator():
            return "text"
        case LiteralValidator():
            return "text" if isinstance(validator.value, str) else None
        case Int64Validator():
            return "int"
        case BooleanValidator():
            return "boolean"
        case NullValidator():
            return "null"
        case NumberValidator():
            return None
        case _:
            return None


def _number_by_number(cells: Any) -> Any:
    """Texts, of which those that read as numbers are numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numeric = pc.match_substring_regex(cells, _NUMBER)
    if not pc.any(numeric).as_py():
        return cells
    numbers = pc.if_else(numeric, cells, None).cast(pa.float64())
    tags = pc.if_else(numeric, pa.scalar(0, pa.int8()), pa.scalar(1, pa.int8()))
    return pa.UnionArray.from_sparse(tags, [numbers, cells])


def check_infer(infer: str) -> None:
    """Raise `InvalidValueError` for a way to read cells that there is not."""
    if infer not in ("convex", "typed"):
        raise InvalidValueError(f'infer is "convex" or "typed", not {infer!r}.', value=infer)
