"""Arrow columns of any type as the columns of a segment: what whole columns of other tools become."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.segments.columns import LARGE, MOST_BYTES, VARIABLE
from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from convex_nb.engine.segments.columns import ArrowArray, ArrowType
    from convex_nb.engine.segments.layout import Kind

_EXACT_DIGITS: Final = 15
"""Every decimal of so many digits is told apart by its float64."""
_MS_PER_DAY: Final = 86_400_000
_UNITS_PER_MS: Final = {"ms": 1, "us": 1000, "ns": 1_000_000}


def imported_array(name: str, column: ArrowArray) -> tuple[Kind, ArrowArray]:
    """A chunked column as one array, and its kind: ``encoded`` for nested values, which are left as they are.

    Integers are ``int`` and still unchecked (``uint64`` stays what it is), times are milliseconds: since 1970, since
    midnight, or long. Raises `InvalidValueError` for a type that has no meaning here.
    """
    try:
        return _imported(column)
    except _UnknownColumnError as error:
        raise InvalidValueError(f"Column `{name}` was not imported: {error}", path=f".{name}") from None


class _UnknownColumnError(Exception):
    """What is wrong with a column, and what to do."""


def _imported(column: ArrowArray) -> tuple[Kind, ArrowArray]:
    type_ = column.type
    if isinstance(type_, pa.BaseExtensionType):
        column = _without_extension(column, type_.extension_name)
        type_ = column.type
    if pa.types.is_dictionary(type_):
        column, type_ = column.cast(type_.value_type), type_.value_type
    elif pa.types.is_run_end_encoded(type_):
        column = pa.chunked_array([pc.run_end_decode(chunk) for chunk in column.chunks], type_.value_type)
        type_ = type_.value_type
    for matches, kind, convert in _CONVERSIONS:
        if matches(type_):
            return kind, _one_array(convert(column))
    raise _UnknownColumnError(
        f"it holds {type_}, which has no Convex type. Convert it to numbers, strings or objects before importing."
    )


def _without_extension(column: ArrowArray, name: str) -> ArrowArray:
    if name == "arrow.uuid":
        return pa.chunked_array([[None if id is None else str(id) for id in column.to_pylist()]], pa.string())
    stored = column.cast(column.type.storage_type)
    return stored.cast(pa.bool_()) if name == "arrow.bool8" else stored


def _one_array(column: ArrowArray) -> ArrowArray:
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.type in LARGE and column.nbytes > MOST_BYTES // 2:
        column = column.cast(LARGE[column.type])
    if column.num_chunks == 1 and column.type in VARIABLE:
        return column.chunk(0)
    # Always a copy: the column may be a view of a numpy array that somebody goes on writing to. (Text is copied later.)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _same(column: ArrowArray) -> ArrowArray:
    return column


def _to(target: ArrowType) -> Callable[[ArrowArray], ArrowArray]:
    return lambda column: column if column.type == target else column.cast(target)


def _integers(column: ArrowArray) -> ArrowArray:
    return column if column.type == pa.uint64() else column.cast(pa.int64())


def _whole_decimals(column: ArrowArray) -> ArrowArray:
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        raise _UnknownColumnError(
            f"it holds {column.type} beyond 64 bits. Cast it to strings before importing."
        ) from None


def _decimals(column: ArrowArray) -> ArrowArray:
    if column.type.precision > _EXACT_DIGITS:
        raise _UnknownColumnError(
            f"it holds {column.type}, of which a float64 keeps {_EXACT_DIGITS} digits. Cast it to float64 to round, or "
            "to strings to keep every digit."
        )
    return column.cast(pa.float64())


def _texts(column: ArrowArray) -> ArrowArray:
    column = column if column.type in (pa.string(), pa.large_string()) else column.cast(pa.large_string())
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raise _UnknownColumnError("its text is not valid UTF-8. Import it as bytes, or decode it first.") from None
    return column


def _binary(column: ArrowArray) -> ArrowArray:
    return column if column.type in (pa.binary(), pa.large_binary()) else column.cast(pa.large_binary())


def _times(column: ArrowArray) -> ArrowArray:
    units = (column.cast(pa.int32()) if pa.types.is_time32(column.type) else column).cast(pa.int64())
    if column.type.unit == "s":
        return pc.multiply(units.cast(pa.float64(), safe=False), 1e3)
    # Nanoseconds since 1970 are more than a float64 holds: milliseconds and what is left over are converted apart.
    per_ms = _UNITS_PER_MS[column.type.unit]
    whole = pc.divide(units, per_ms)
    rest = pc.subtract(units, pc.multiply(whole, per_ms))
    return pc.add(whole.cast(pa.float64(), safe=False), pc.divide(rest.cast(pa.float64()), float(per_ms)))


def _dates(column: ArrowArray) -> ArrowArray:
    days = column.cast(pa.date32()).cast(pa.int32()).cast(pa.float64())
    return pc.multiply(days, float(_MS_PER_DAY))


def _whole_decimal(type_: ArrowType) -> bool:
    return bool(pa.types.is_decimal(type_)) and type_.scale == 0


def _any_time(type_: ArrowType) -> bool:
    types = pa.types
    return any(test(type_) for test in (types.is_timestamp, types.is_duration, types.is_time))


def _any_text(type_: ArrowType) -> bool:
    return any(test(type_) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _any_binary(type_: ArrowType) -> bool:
    types = pa.types
    return any(
        test(type_)
        for test in (types.is_binary, types.is_large_binary, types.is_fixed_size_binary, types.is_binary_view)
    )


def _nested(type_: ArrowType) -> bool:
    # A union is nested as well: each of its values is of a type of its own.
    return bool(pa.types.is_nested(type_))


_CONVERSIONS: Final[list[tuple[Callable[[ArrowType], bool], Kind, Callable[[ArrowArray], ArrowArray]]]] = [
    (pa.types.is_null, "null", _same),
    (pa.types.is_boolean, "boolean", _same),
    (pa.types.is_integer, "int", _integers),
    (pa.types.is_floating, "float", _to(pa.float64())),
    (_whole_decimal, "int", _whole_decimals),
    (pa.types.is_decimal, "float", _decimals),
    (_any_text, "string", _texts),
    (_any_binary, "bytes", _binary),
    (_any_time, "float", _times),
    (pa.types.is_date, "float", _dates),
    (_nested, "encoded", _same),
]


def plain_value(value: Any, nulls_are_missing: bool) -> Any:
    """A nested value as ``to_pylist`` gives it, with times in milliseconds and, if so, without null fields."""
    if isinstance(value, dict):
        return {
            key: plain_value(item, nulls_are_missing)
            for key, item in value.items()
            if item is not None or not nulls_are_missing
        }
    if isinstance(value, list):
        return [plain_value(item, nulls_are_missing) for item in value]
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            value = value.replace(tzinfo=datetime.UTC)
        return (value - _EPOCH) / _MILLISECOND
    if isinstance(value, datetime.date):
        return float((value - _EPOCH.date()).days * _MS_PER_DAY)
    if isinstance(value, datetime.timedelta):
        return value / _MILLISECOND
    if isinstance(value, datetime.time):
        since = datetime.timedelta(
            hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond
        )
        return since / _MILLISECOND
    return value


_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLISECOND: Final = datetime.timedelta(milliseconds=1)
