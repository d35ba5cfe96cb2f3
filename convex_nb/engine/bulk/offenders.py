"""The rows of an import that were refused, and the errors that name them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError, SchemaValidationError, ValidationError

MOST: Final = 10
"""So many offending rows are named."""


class Offender(NamedTuple):
    """A value that was refused: its row (from 0) and field, why, and the validator; ``""`` if it is no value at all.

    ``place`` says where the row is if not in a list of rows: `line 5 of trips.csv`.
    """

    row: int
    field: str
    reason: str
    value: object
    validator: str = ""
    place: str = ""

    @classmethod
    def of(cls, row: int, error: ValidationError | InvalidValueError) -> Offender:
        """What ``error`` says about a row."""
        validator = error.validator if isinstance(error, ValidationError) else ""
        return cls(row, error.path.removeprefix("."), error.reason, error.value, validator)

    def __str__(self) -> str:
        text = self.place or f"row {self.row}"
        if self.field:
            text += f", field `{self.field}`"
        text += f": {self.reason}"
        return f"{text} Value: {describe(self.value, 80)}. Validator: {self.validator}" if self.validator else text


class ImportedRowsError(SchemaValidationError):
    """Rows do not match the table's schema; nothing was imported. ``offenders`` are the first ten, by row."""

    def __init__(self, table: str, offenders: Sequence[Offender]) -> None:
        self.offenders = tuple(offenders)
        first = offenders[0]
        super().__init__(
            first.reason, path=f".{first.field}", value=first.value, validator=first.validator, table=table
        )

    def _text(self) -> str:
        return _text(f'Nothing was imported into "{self.table}": rows do not match its schema.', self.offenders)


class ImportedValuesError(InvalidValueError):
    """Rows hold what cannot be stored; nothing was imported. ``offenders`` are the first ten, by row."""

    def __init__(self, table: str, offenders: Sequence[Offender]) -> None:
        self.table = table
        self.offenders = tuple(offenders)
        first = offenders[0]
        reason = _text(f'Nothing was imported into "{table}": rows hold what cannot be stored.', offenders)
        super().__init__(reason, value=first.value)


def _text(head: str, offenders: Sequence[Offender]) -> str:
    more = f" The first {MOST}:" if len(offenders) >= MOST else ""
    return "\n".join([head + more, *map(str, offenders)])


def refuse(table: str, offenders: Sequence[Offender]) -> None:
    """Raise for the first ten of these by row, if there are any."""
    if offenders:
        first = sorted(offenders, key=lambda offender: offender.row)[:MOST]
        if any(offender.validator for offender in first):
            raise ImportedRowsError(table, first)
        raise ImportedValuesError(table, first)
