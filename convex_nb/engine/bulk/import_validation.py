"""One imported column against its validator: whole columns at once where their type settles it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine.bulk.import_columns import plain_value
from convex_nb.engine.bulk.offenders import MOST, Offender
from convex_nb.engine.segments.columns import LARGE, MOST_BYTES, Column
from convex_nb.engine.segments.conformance import ACCEPTS
from convex_nb.engine.segments.float_arrays import packed
from convex_nb.engine.segments.layout import MISSING, field_of
from convex_nb.language.document_validation import to_document_fields
from convex_nb.language.encoding import dumps
from convex_nb.language.errors import InvalidValueError, ValidationError
from convex_nb.language.ids_columnar import id_table_numbers
from convex_nb.language.limits import Limits
from convex_nb.language.schema import TableDefinition
from convex_nb.language.validators import (
    AnyValidator,
    ArrayValidator,
    BooleanValidator,
    BytesValidator,
    IdValidator,
    Int64Validator,
    NullValidator,
    NumberValidator,
    ObjectValidator,
    StringValidator,
    UnionValidator,
    Validator,
)
from convex_nb.language.values import INT64_MOST, NUMBER_MOST, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from convex_nb.engine.segments.columns import ArrowArray
    from convex_nb.engine.segments.layout import Kind

_BATCH: Final = 4096
"""Nested values are made Python's so many at a time."""


class ImportedColumn(NamedTuple):
    """A column, what each row's field counts for in the size of its document, and the first rows that were refused.

    Where there are offenders, column and sizes mean nothing.
    """

    column: Column
    sizes: NDArray[numpy.int64]
    offenders: list[Offender]


class ColumnImport:
    """How one field of a table takes a column: its validator (``None``: any value) and what nulls are."""

    def __init__(
        self,
        name: str,
        validator: Validator | None,
        *,
        nulls_are_missing: bool,
        table_name: str,
        tables: Mapping[int, str] | None,
    ) -> None:
        self.name = name
        self.validator = validator
        self.nulls_are_missing = nulls_are_missing
        self.tables = tables
        self._members = validator.members if isinstance(validator, UnionValidator) else (validator,)
        self._check: Callable[[dict[str, Any]], dict[str, Any]] = to_document_fields
        if validator is not None:
            definition = TableDefinition(ObjectValidator({name: validator}))
            self._check = lambda fields: definition.validate(fields, table_name=table_name, tables=tables)

    def take(self, kind: Kind, values: ArrowArray) -> ImportedColumn:
        """The column that ``imported_array`` made, validated and normalised."""
        offenders = self._absent(values)
        nulls = None if self.nulls_are_missing or not values.null_count else values.is_null()
        floats = self._floats(values) if kind == "encoded" else None
        refused: list[Offender] = []
        if floats is not None:
            column = Column.fitted(self.name, "floats", floats, nulls, None)
            sizes = _sizes(column)
        elif kind == "encoded":
            texts, sizes, refused = self._nested(values)
            column = Column.fitted(self.name, "encoded", texts, nulls, None)
        else:
            settled = self._settled(kind)
            if settled is None:
                column, refused = self._by_distinct_value(values)
            else:
                refused = self._out_of_range(settled, values)
                if values.type == pa.uint64():
                    values = values.cast(pa.int64(), safe=False)
                column = Column.fitted(self.name, settled, values, nulls, None)
            sizes = _sizes(column)
        if not (offenders or refused):
            sizes = sizes + len(self.name) + 1
            sizes[values.is_null().to_numpy(zero_copy_only=False)] = 0 if self.nulls_are_missing else len(self.name) + 2
        return ImportedColumn(column, sizes, offenders + refused)

    def _settled(self, kind: Kind) -> Kind | None:
        """The kind that a column of this kind becomes, or ``None`` if that depends on the values."""
        types = {type(member) for member in self._members} - {NullValidator}
        if kind == "null" or self.validator is None or AnyValidator in types:
            return kind
        if kind == "int" and types == {Int64Validator}:
            return "int64"
        if kind == "int" and not types <= {NumberValidator, StringValidator, BooleanValidator, BytesValidator}:
            return None
        return kind if ACCEPTS.get(kind) in types else None

    def _absent(self, values: ArrowArray) -> list[Offender]:
        """The first rows without a value, if the field must have one."""
        if not values.null_count:
            return []
        try:
            self._check({} if self.nulls_are_missing else {self.name: None})
        except (ValidationError, InvalidValueError) as error:
            rows = numpy.flatnonzero(pc.is_null(values).to_numpy(zero_copy_only=False))[:MOST]
            return [self._offender(int(row), error) for row in rows]
        return []

    def _offender(self, row: int, error: ValidationError | InvalidValueError) -> Offender:
        offender = Offender.of(row, error)
        return offender if offender.field else offender._replace(field=self.name)

    def _out_of_range(self, kind: Kind, values: ArrowArray) -> list[Offender]:
        """Integers that a number, or an ``Int64``, cannot hold."""
        if not pa.types.is_integer(values.type):
            return []
        if kind == "int":
            beyond = pc.greater(values, pa.scalar(NUMBER_MOST, values.type))
            if values.type == pa.int64():
                beyond = pc.or_(beyond, pc.less(values, -NUMBER_MOST))
        elif values.type == pa.uint64():
            beyond = pc.greater(values, pa.scalar(INT64_MOST, pa.uint64()))
        else:
            return []
        offenders = []
        for row in numpy.flatnonzero(pc.fill_null(beyond, False).to_numpy(zero_copy_only=False))[:MOST]:
            try:
                self._check({self.name: values[int(row)].as_py()})
            except (ValidationError, InvalidValueError) as error:
                offenders.append(self._offender(int(row), error))
        return offenders

    def _by_distinct_value(self, values: ArrowArray) -> tuple[Column, list[Offender]]:
        """The column whose every distinct value went through the validator, as texts of an enumeration do."""
        members = [member for member in self._members if not isinstance(member, NullValidator)]
        only = members[0] if len(members) == 1 else None
        if (
            isinstance(only, IdValidator)
            and values.type in (pa.string(), pa.large_string())
            and self._all_ids_of(only.table_name, values)
        ):
            nulls = None if self.nulls_are_missing else values.is_null()
            return Column.fitted(self.name, "string", values, nulls, None), []
        # Floats are told apart by their bits: by value, one zero would stand for both.
        floats = values.type == pa.float64()
        keys = _bits(values) if floats else values
        distinct = keys.dictionary_encode()
        places = pc.fill_null(distinct.indices, -1).to_numpy(zero_copy_only=False)
        found: Any = distinct.dictionary
        given = found.to_numpy().view(numpy.float64).tolist() if floats else found.to_pylist()
        normal: list[Any] = []
        refused: dict[int, ValidationError | InvalidValueError] = {}
        for place, value in enumerate(given):
            try:
                normal.append(self._check({self.name: value})[self.name])
            except (ValidationError, InvalidValueError) as error:
                normal.append(None)
                refused[place] = error
                # Distinct values come as they are first met: all of the first ten offenders are known by now.
                if len(refused) == MOST:
                    break
        if refused:
            rows = numpy.flatnonzero(numpy.isin(places, list(refused)))[:MOST]
            return Column.fitted(self.name, "null", pa.nulls(len(values)), None, None), [
                self._offender(int(row), refused[int(places[row])]) for row in rows
            ]
        normal.append(MISSING if self.nulls_are_missing else None)
        every = [normal[place] for place in places.tolist()]
        return Column.from_values(field_of(self.name, every), every), []

    def _all_ids_of(self, table: str, values: ArrowArray) -> bool:
        numbers = id_table_numbers(values.drop_null())
        if self.tables is None:
            return bool((numbers > 0).all())
        return bool(numpy.isin(numbers, [number for number, name in self.tables.items() if name == table]).all())

    def _floats(self, values: ArrowArray) -> ArrowArray | None:
        """The bytes of arrays of floats that need no look at each, ``None`` for any others."""
        if not any(
            member is None
            or isinstance(member, AnyValidator)
            or (isinstance(member, ArrayValidator) and isinstance(member.element, AnyValidator | NumberValidator))
            for member in self._members
        ):
            return None
        floats = packed(values)
        if floats is None or (pc.max(pc.binary_length(floats)).as_py() or 0) > Limits().array_elements * 8:
            return None
        return floats

    def _nested(self, values: ArrowArray) -> tuple[ArrowArray, NDArray[numpy.int64], list[Offender]]:
        """The lossless text and the size of every nested value, made one by one."""
        texts: list[str | None] = []
        sizes: list[int] = []
        offenders: list[Offender] = []
        for row, value in python_values(values):
            if value is None:
                texts.append(None)
                sizes.append(0)
                continue
            try:
                normal = self._check({self.name: plain_value(value, self.nulls_are_missing)})[self.name]
            except (ValidationError, InvalidValueError) as error:
                offenders.append(self._offender(row, error))
                if len(offenders) == MOST:
                    break
            else:
                texts.append(dumps(normal))
                sizes.append(size_of(normal))
        large = sum(map(len, filter(None, texts))) > MOST_BYTES // 4
        return (
            pa.array(texts, LARGE[pa.string()] if large else pa.string()),
            numpy.array(sizes, numpy.int64),
            offenders,
        )


def python_values(values: ArrowArray) -> Iterable[tuple[int, Any]]:
    for start in range(0, len(values), _BATCH):
        yield from enumerate(values.slice(start, _BATCH).to_pylist(maps_as_pydicts="strict"), start)


def _bits(values: ArrowArray) -> ArrowArray:
    return pa.Array.from_buffers(pa.int64(), len(values), values.buffers(), offset=values.offset)


def _sizes(column: Column) -> NDArray[numpy.int64]:
    """The size of each row's value; anything where there is none."""
    if column.field.kind == "encoded":
        return numpy.array([0 if value is MISSING else size_of(value) for value in column.to_list()], numpy.int64)
    if column.offsets is not None:
        offsets = numpy.frombuffer(column.offsets, column.offsets.format)[: len(column) + 1]
        lengths = numpy.diff(offsets).astype(numpy.int64)
        return 2 + (lengths // 8 * 9 if column.field.kind == "floats" else lengths)
    return numpy.full(len(column), 1 if column.field.kind in ("null", "boolean") else 9, numpy.int64)
