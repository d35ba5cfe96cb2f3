"""The columns of segments as DataFrames and SQL see them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from convex_nb.engine.columns import LARGE, MOST_BYTES, TYPES, Column
from convex_nb.engine.encoded_text import value_of
from convex_nb.engine.layout import MISSING, common_kind, field_of
from convex_nb.language.encoding import to_plain_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from convex_nb.engine.columns import ArrowArray, ArrowTable
    from convex_nb.engine.layout import Kind
    from convex_nb.engine.segment import Segment

Rows: TypeAlias = NDArray[Any] | slice


def public_table(parts: Sequence[tuple[Segment, Rows | None]], fields: Sequence[str] | None = None) -> ArrowTable:
    """The chosen rows of segments of one table as an Arrow table, one chunk a part; at least one part.

    A field whose values are all booleans, strings, bytes or numbers is a column of that type: ``int64`` where all
    are whole Python numbers or all `Int64`, otherwise ``float64``. Anything else is text: the JSON that people
    read. Missing and null are both Arrow's null. ``_creationTime`` is in milliseconds. ``fields`` chooses columns;
    one that no row has is all null. Columns are shared, not copied, where a part is wanted whole or by a slice.
    """
    columns = [_columns(segment, fields) for segment, _ in parts]
    if fields is None:
        fields = list(dict.fromkeys(name for columns_of_part in columns for name in columns_of_part))
    chunks = {}
    for name in fields:
        found = [columns_of_part.get(name) for columns_of_part in columns]
        kind, _ = common_kind(column.field for column in found if column is not None)
        type_ = TYPES[kind]
        if any(column is not None and column.values.type in LARGE.values() for column in found):
            type_ = LARGE.get(type_, type_)
        arrays = []
        for column, (segment, rows) in zip(found, parts, strict=True):
            array = pa.nulls(segment.num_rows, type_) if column is None else _public(column, kind)
            if rows is not None:
                array = taken(array, rows)
            arrays.append(array if array.type == type_ else array.cast(type_))
        chunks[name] = pa.chunked_array(arrays, type_)
    return pa.table(chunks)


def taken(array: ArrowArray, rows: Rows) -> ArrowArray:
    """Some rows of an array; shared, not copied, for a slice."""
    return array[rows] if isinstance(rows, slice) else array.take(pa.array(rows))


def _columns(segment: Segment, names: Sequence[str] | None) -> Mapping[str, Column]:
    """The segment's columns by field, those of its rest column taken apart."""
    if "" not in segment.columns:
        return segment.columns
    columns = {name: column for name, column in segment.columns.items() if name}
    rests = segment.columns[""].to_list()
    if names is None:
        names = list(dict.fromkeys(name for rest in rests if rest is not MISSING for name in rest))
    for name in names:
        if name not in columns:
            values = [MISSING if rest is MISSING else rest.get(name, MISSING) for rest in rests]
            columns[name] = Column.from_values(field_of(name, values), values)
    return columns


def _public(column: Column, kind: Kind) -> ArrowArray:
    """The column's values as those of a public column of ``kind``, up to a cast."""
    if kind != "encoded" or column.field.kind == "null":
        return column.values
    if column.public is None:
        column.public = _plain_text(column)
    return column.public


# Only the lossless encoding has such objects: field names do not start with a dollar sign, and in a text the
# quotes would be escaped.
_TAGGED: Final = r'[{]"[$](integer|float|bytes)":"'


def _plain_text(column: Column) -> ArrowArray:
    """The JSON that people read of every value. Shares the encoded text where that is the same."""
    if column.field.kind != "encoded":
        values = [None if value is MISSING or value is None else _dumps(value) for value in column.to_list()]
        return pa.array(
            values, LARGE[pa.string()] if sum(len(v) for v in values if v) > MOST_BYTES // 4 else pa.string()
        )
    texts = column.values
    tagged = pc.fill_null(pc.match_substring_regex(texts, _TAGGED), False)
    if not pc.any(tagged).as_py():
        return texts
    plain = [_dumps(value_of(text.encode())) for text in texts.filter(tagged).to_pylist()]
    return pc.replace_with_mask(texts, tagged, pa.array(plain, texts.type))


def _dumps(value: Any) -> str:
    return json.dumps(to_plain_json(value), ensure_ascii=False, separators=(",", ":"))
