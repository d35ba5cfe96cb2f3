"""Builds index runs of whole segments, a column at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine import steps
from convex_nb.engine.indexes.index import DerivedRun, IndexRun, StoredRun
from convex_nb.engine.indexes.index_merge import merging_runs
from convex_nb.engine.segments.layout import MISSING, OPAQUE
from convex_nb.language.keys import encode_value, field_at
from convex_nb.language.keys_columnar import (
    MISSING_KEY,
    NULL_KEY,
    Keys,
    boolean_keys,
    bytes_keys,
    constant_keys,
    fill_absent,
    int64_keys,
    join_keys,
    number_keys,
    number_order,
    string_keys,
)
from convex_nb.language.values import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from convex_nb.engine.segments.columns import ArrowArray, Column
    from convex_nb.engine.segments.layout import Kind
    from convex_nb.engine.segments.segment import Segment
    from convex_nb.engine.steps import Steps


def build_run(segment: Segment, fields: tuple[str, ...]) -> IndexRun:
    """The run of a segment in an index over ``fields`` (dotted paths).

    The keys are those of ``key_function(fields)``. Costs O(n log n), vectorised but for encoded columns.
    """
    return steps.finished(building_run(segment, fields))


def building_run(segment: Segment, fields: tuple[str, ...]) -> Steps[IndexRun]:
    """`build_run` in steps: runs of some tens of thousands of rows, which are merged."""
    if fields == ("_creationTime",):
        return (yield from DerivedRun.by_creation_time(segment))
    if fields == ("_id",):
        return DerivedRun.by_id(segment)
    names = {"_id", "_creationTime", "", *[path.partition(".")[0] for path in fields]}
    nbytes = sum(column.nbytes for name, column in segment.columns.items() if name in names)
    size = steps.rows_per_step(segment.num_rows, nbytes)
    if segment.num_rows <= size:
        return (yield from _building_piece(segment, fields))
    runs: list[IndexRun] = []
    rows: list[NDArray[Any]] = []
    for start in range(0, segment.num_rows, size):
        stop = min(start + size, segment.num_rows)
        run = yield from _building_piece(segment.slice(start, stop, names), fields)
        runs.append(run)
        rows.append(numpy.arange(start, stop, dtype=numpy.int32))
        yield
    return (yield from merging_runs(runs, rows, segment.num_rows))


def _building_piece(segment: Segment, fields: tuple[str, ...]) -> Steps[StoredRun]:
    pieces: list[Keys] = []
    for field in fields:
        keys = yield from _making_keys(segment, field)
        pieces.append(keys)
    order = _order([segment.columns.get(field) for field in fields], pieces)
    tail = [name for name in ("_creationTime", "_id") if name not in fields] if "_id" not in fields else []
    keys = join_keys([*pieces, *[field_keys(segment, name) for name in tail]])
    return StoredRun.from_arrow(keys.take(pa.array(order)), order.astype(numpy.int32))


def _making_keys(segment: Segment, path: str) -> Steps[Keys]:
    name = path.partition(".")[0]
    column = segment.columns.get(name, segment.columns.get(""))
    if column is None or column.field.kind not in OPAQUE:
        return field_keys(segment, path)
    pieces = []
    for start in range(0, segment.num_rows, steps.SLOW_ROWS):
        stop = min(start + steps.SLOW_ROWS, segment.num_rows)
        pieces.append(field_keys(segment.slice(start, stop, {name, ""}), path))
        yield
    return pa.concat_arrays([piece.cast(pa.large_binary()) for piece in pieces])


def _order(columns: Sequence[Column | None], pieces: Sequence[Keys]) -> NDArray[Any]:
    """The rows in key order.

    They are ordered by creation time and id already, and every sort here is stable: none has to look at tie-breakers.
    """
    codes: list[NDArray[Any]] = []
    for column, piece in zip(columns, pieces, strict=True):
        of_field = _codes(column, piece)
        if of_field is None:
            return numpy.asarray(pc.sort_indices(join_keys(pieces)))
        codes += of_field
    order = _stable_order(codes[-1])
    for code in reversed(codes[:-1]):
        order = order[_stable_order(code[order])]
    return order


def _codes(column: Column | None, keys: Keys) -> list[NDArray[Any]] | None:
    """Numbers in the order of a field's keys, the most significant ones first; ``None`` where keys sort as quickly."""
    if column is not None and column.numbers is not None and column.field.kind != "int64":
        numbers = number_order(column.values)
        if not column.values.null_count:
            return [numbers]
        present = column.values.is_valid().to_numpy(zero_copy_only=False).astype(numpy.uint8) * 2
        marks = column.null_marks()
        absent = 0 if marks is None else marks.to_numpy(zero_copy_only=False).astype(numpy.uint8)
        return [present + absent, numbers]
    sample = min(len(keys), _SAMPLE)
    repeated = sample - pc.count_distinct(keys.slice(0, sample)).as_py()
    # As with birthdays: so many repetitions in a sample mean about sample**2 / (2 * repeated) different values.
    if not repeated or (sample < len(keys) and 2 * sample * sample > repeated * len(keys)):
        return None
    distinct = keys.dictionary_encode()
    ranks = numpy.asarray(pc.rank(distinct.dictionary))
    ranks = ranks.astype(numpy.uint16 if len(ranks) < 2**16 else numpy.uint32)
    return [ranks[distinct.indices.to_numpy()]]


def _stable_order(codes: NDArray[Any]) -> NDArray[Any]:
    if codes.dtype == numpy.uint64:
        order = numpy.argsort(codes)
        ascending = codes[order]
        if (ascending[1:] > ascending[:-1]).all():
            return order
    return numpy.argsort(codes, kind="stable")


_SAMPLE: Final = 16_384
"""Rows that tell whether a column has few enough values for each to be worth a rank."""

_ENCODERS: Mapping[Kind, Callable[[ArrowArray], Keys]] = {
    "boolean": boolean_keys,
    "int": number_keys,
    "float": number_keys,
    "number": number_keys,
    "int64": int64_keys,
    "string": string_keys,
    "id": string_keys,
    "bytes": bytes_keys,
}


def field_keys(segment: Segment, path: str) -> Keys:
    """The key of the value at a dotted path in every row."""
    name, _, inner = path.partition(".")
    column = segment.columns.get(name)
    if column is None:
        if "" in segment.columns:
            return _key_array([encode_value(field_at(rest, path)) for rest in segment.columns[""].to_list()])
        return constant_keys(MISSING_KEY, segment.num_rows)
    if inner and column.field.kind != "encoded":
        return constant_keys(MISSING_KEY, segment.num_rows)
    if column.field.kind in OPAQUE:
        values = column.to_list()
        if inner:
            values = [field_at(value, inner) for value in values]
        return _key_array([encode_value(UNDEFINED if value is MISSING else value) for value in values])
    return _column_keys(column)


def _column_keys(column: Column) -> Keys:
    kind, optional = column.field.kind, column.field.optional
    if kind == "null":
        if not column.field.nullable:
            return constant_keys(MISSING_KEY, len(column))
        keys = constant_keys(NULL_KEY, len(column))
        return pc.if_else(column.nulls, keys, pa.scalar(MISSING_KEY, keys.type)) if optional else keys
    return fill_absent(_ENCODERS[kind](column.values), column.nulls, MISSING_KEY if optional else NULL_KEY)


def _key_array(keys: Sequence[bytes]) -> Keys:
    large = sum(map(len, keys)) >= 2**31
    return pa.array(keys, pa.large_binary() if large else pa.binary())
