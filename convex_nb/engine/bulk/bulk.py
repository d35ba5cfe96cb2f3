"""Whole Arrow tables as segments: validated, normalised and given ids a column at a time."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine.bulk.import_columns import imported_array, plain_value
from convex_nb.engine.bulk.import_validation import ColumnImport, python_values
from convex_nb.engine.bulk.offenders import MOST, Offender, refuse
from convex_nb.engine.segments.columns import Column
from convex_nb.engine.segments.concatenation import joined_column, sorted_segment
from convex_nb.engine.segments.layout import MISSING, Field, field_of
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.describing import shorten
from convex_nb.language.document_validation import document_limits, field_name_fault
from convex_nb.language.documents import SYSTEM_FIELDS, freeze
from convex_nb.language.errors import InvalidValueError, ValidationError
from convex_nb.language.ids_columnar import id_table_numbers, new_ids
from convex_nb.language.validators import AnyValidator, ObjectValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from convex_nb.engine.segments.columns import ArrowArray, ArrowTable
    from convex_nb.engine.segments.layout import Kind
    from convex_nb.language.schema import TableDefinition

_BATCH: Final = 16_384
"""Rows that are validated one by one are made Python's so many at a time."""


def segment_from_arrow(
    table: ArrowTable,
    *,
    table_name: str,
    table_number: int,
    creation_time: float,
    random: Callable[[int], bytes],
    definition: TableDefinition | None = None,
    tables: Mapping[int, str] | None = None,
    nulls: Literal["missing", "null"] = "missing",
    keep_system_fields: bool = False,
) -> Segment:
    """The rows of an Arrow table as documents of ``table_name``.

    Whole-number columns become numbers (`Int64` where ``definition`` says so), times milliseconds, nulls missing
    fields (or null, with ``nulls="null"``); NaN stays NaN. Rows get new ids from ``random`` and creation times that
    are consecutive representable milliseconds from ``creation_time`` on; with ``keep_system_fields`` those columns
    are taken from the table where it has them, and nulls in them are made new. ``tables`` maps table numbers to names,
    for ``v.id``.

    Raises `SchemaValidationError` or `InvalidValueError` naming the first ten offending rows and their fields. Costs
    about a microsecond a row for flat columns, some tens for nested ones; memory for the table once more.
    """
    given = _columns_by_name(table, keep_system_fields)
    arrays = {name: imported_array(name, given[name]) for name in given if name not in SYSTEM_FIELDS}
    count = table.num_rows
    columns: list[Column]
    if definition is None or isinstance(definition.validator, (AnyValidator, ObjectValidator)):
        columns = _column_by_column(arrays, definition, table_name, tables, nulls == "missing", count)
    else:
        columns = _row_by_row(arrays, definition, table_name, tables, nulls == "missing", count)
    ids = new_ids(table_number, creation_time, random, count)
    if "_id" in given:
        ids = _kept_ids(given["_id"], ids, table_name)
    times = None
    if "_creationTime" in given:
        times = _kept_times(given["_creationTime"], consecutive(creation_time, count), table_name)
    segment = Segment(
        [
            Column(Field("_id", "id", table=table_name), ids),
            Column(Field("_creationTime", "float"), consecutive(creation_time, count) if times is None else times),
            *columns,
        ]
    )
    if times is not None:
        # Times that were given may be in any order.
        segment = sorted_segment(segment)
    return segment


def _columns_by_name(table: ArrowTable, keep_system_fields: bool) -> dict[str, ArrowArray]:
    columns: dict[str, ArrowArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in columns:
            raise InvalidValueError(f"Two columns are named `{name}`; nothing was imported.", path=f".{name}")
        if name in SYSTEM_FIELDS:
            if not keep_system_fields:
                raise InvalidValueError(
                    f"Column `{name}` is made by the system: nothing was imported. Leave it out; `dep.import_table` "
                    "is what keeps the ids and times of rows that have them.",
                    path=f".{name}",
                )
        elif fault := field_name_fault(name):
            raise InvalidValueError(f"{fault} Nothing was imported.", path=f".{name}", value=name)
        columns[name] = column
    return columns


def _column_by_column(
    arrays: Mapping[str, tuple[Kind, ArrowArray]],
    definition: TableDefinition | None,
    table_name: str,
    tables: Mapping[int, str] | None,
    nulls_are_missing: bool,
    count: int,
) -> list[Column]:
    validator = None if definition is None else definition.validator
    fields = validator.fields if isinstance(validator, ObjectValidator) else None
    columns: list[Column] = []
    offenders: list[Offender] = []
    sizes: list[NDArray[numpy.int64]] = []
    for name, (kind, values) in arrays.items():
        if fields is not None and name not in fields:
            offenders += _unexpected(name, values, nulls_are_missing, repr(validator))
            continue
        field = None if fields is None else fields[name]
        importer = ColumnImport(name, field, nulls_are_missing=nulls_are_missing, table_name=table_name, tables=tables)
        column, sizes_of_column, refused = importer.take(kind, values)
        offenders += refused
        columns.append(column)
        sizes.append(sizes_of_column)
    for name, field in (fields or {}).items():
        if name not in arrays and not field.is_optional:
            reason = f"Object is missing the required field `{name}`, and the table has no such column."
            offenders += [Offender(row, name, reason, None, repr(field)) for row in range(min(count, MOST))]
    refuse(table_name, offenders or _too_large(sizes, count))
    # A column that no row has a value in is no field of any document.
    return [column for column in columns if column.field.kind != "null" or column.field.nullable]


def _unexpected(name: str, values: ArrowArray, nulls_are_missing: bool, validator: str) -> list[Offender]:
    present = values.is_valid().to_numpy(zero_copy_only=False) if nulls_are_missing else numpy.ones(len(values), bool)
    reason = f"Object contains extra field `{name}` that is not in the validator."
    rows = [int(row) for row in numpy.flatnonzero(present)[:MOST]]
    return [Offender(row, name, reason, values[row].as_py(), shorten(validator)) for row in rows]


def _too_large(sizes: Sequence[NDArray[numpy.int64]], count: int) -> list[Offender]:
    """Rows that make documents of more bytes than can be stored."""
    most = document_limits.document_bytes
    if not count or 2 + sum(int(each.max()) for each in sizes) <= most:
        return []
    totals = sum(sizes, numpy.full(count, 2, numpy.int64))
    return [
        Offender(int(row), "", f"The document has {totals[row]} bytes; at most {most} can be stored.", None)
        for row in numpy.flatnonzero(totals > most)[:MOST]
    ]


def _row_by_row(
    arrays: Mapping[str, tuple[Kind, ArrowArray]],
    definition: TableDefinition,
    table_name: str,
    tables: Mapping[int, str] | None,
    nulls_are_missing: bool,
    count: int,
) -> list[Column]:
    """For a table whose documents are a union of objects: which one a row is, only all its fields together say."""
    batches: list[tuple[Mapping[str, Column], int]] = []
    offenders: list[Offender] = []
    for start in range(0, count, _BATCH):
        values = [
            [plain_value(value, nulls_are_missing) for _, value in python_values(array.slice(start, _BATCH))]
            for _, array in arrays.values()
        ]
        rows: list[dict[str, Any]] = []
        for place, row in enumerate(zip(*values, strict=True)):
            fields = {
                name: value
                for name, value in zip(arrays, row, strict=True)
                if value is not None or not nulls_are_missing
            }
            try:
                rows.append(definition.validate(fields, table_name=table_name, tables=tables))
            except (ValidationError, InvalidValueError) as error:
                offenders.append(Offender.of(start + place, error))
                if len(offenders) == MOST:
                    break
        refuse_now = len(offenders) == MOST or start + _BATCH >= count
        if refuse_now:
            refuse(table_name, offenders)
        columns = {}
        for name in dict.fromkeys(chain.from_iterable(rows)):
            of_field = [freeze(fields.get(name, MISSING)) for fields in rows]
            columns[name] = Column.from_values(field_of(name, of_field), of_field)
        batches.append((columns, len(rows)))
    names = dict.fromkeys(name for columns, _ in batches for name in columns)
    return [joined_column(name, [(columns.get(name), length) for columns, length in batches], None) for name in names]


def consecutive(first: float, count: int) -> ArrowArray:
    """``first`` and the next representable numbers after it."""
    bits = numpy.array([first], numpy.float64).view(numpy.int64) + numpy.arange(count, dtype=numpy.int64)
    return pa.array(bits.view(numpy.float64))


def _kept_ids(column: ArrowArray, fresh: ArrowArray, table_name: str) -> ArrowArray:
    kind, ids = imported_array("_id", column)
    if kind == "null":
        return fresh
    if kind != "string":
        raise InvalidValueError(f"Column `_id` holds {column.type}, not ids: nothing was imported.", path="._id")
    given = ids.is_valid().to_numpy(zero_copy_only=False)
    bad = numpy.flatnonzero((id_table_numbers(ids) == 0) & given)[:MOST]
    refuse(table_name, [Offender(int(row), "_id", "This is not a document id.", ids[int(row)].as_py()) for row in bad])
    refuse(table_name, repeated_ids(ids))
    return ids if given.all() else pc.coalesce(ids, fresh.cast(ids.type))


def repeated_ids(ids: ArrowArray) -> list[Offender]:
    """The first rows of an array of ids whose id another one has as well; nulls are none."""
    counts = ids.drop_null().value_counts()
    if len(counts) == len(ids) - ids.null_count:
        return []
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    rows = numpy.flatnonzero(pc.is_in(ids, twice).to_numpy(zero_copy_only=False))[:MOST]
    return [Offender(int(row), "_id", "This id is there more than once.", ids[int(row)].as_py()) for row in rows]


def _kept_times(column: ArrowArray, fresh: ArrowArray, table_name: str) -> ArrowArray:
    kind, times = imported_array("_creationTime", column)
    if kind == "null":
        return fresh
    if kind not in ("int", "float"):
        raise InvalidValueError(
            f"Column `_creationTime` holds {column.type}, not milliseconds: nothing was imported.",
            path="._creationTime",
        )
    times = pc.coalesce(times.cast(pa.float64(), safe=False), fresh)
    bad = numpy.flatnonzero(~numpy.isfinite(times.to_numpy(zero_copy_only=False)))[:MOST]
    reason = "A creation time is a finite number of milliseconds."
    refuse(table_name, [Offender(int(row), "_creationTime", reason, times[int(row)].as_py()) for row in bad])
    return times
