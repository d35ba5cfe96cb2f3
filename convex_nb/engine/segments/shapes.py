"""What the values of a field have in common, and the Arrow type that holds them: lists and objects have one, too.

A shape is a function of the values and of the schema alone, whatever segments the values lie in: `join` is
associative and commutative, and `settled` comes last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from functools import lru_cache, reduce
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import pyarrow as pa

from convex_nb.engine.segments.layout import MISSING, field_of
from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.encoding import to_plain_json
from convex_nb.language.schema_arrow import document_fields
from convex_nb.language.validators import (
    ArrayValidator,
    BooleanValidator,
    BytesValidator,
    IdValidator,
    Int64Validator,
    LiteralValidator,
    NumberValidator,
    ObjectValidator,
    RecordValidator,
    StringValidator,
    UnionValidator,
    Validator,
)
from convex_nb.language.values import Int64

if TYPE_CHECKING:
    from convex_nb.engine.segments.columns import ArrowArray, ArrowType
    from convex_nb.language.schema import TableDefinition

ShapeKind: TypeAlias = Literal[
    "null", "boolean", "numeric", "int", "float", "number", "int64", "string", "bytes", "list", "object", "map", "text"
]
"""``null`` is the shape of no values, ``text`` that of values which only JSON text holds. ``numeric`` is a number of
which the schema tells and no value is there; ``map`` is an object with keys that nobody knows beforehand."""

MOST_FIELDS: Final = 64
"""An object with more different fields is a map rather than a row: it stays text."""


class Shape(NamedTuple):
    """What values have in common; null and missing fit every shape."""

    kind: ShapeKind
    inner: Shape | None = None
    """Of the elements of a ``list``, of the values of a ``map``."""
    fields: tuple[tuple[str, Shape], ...] = ()
    """Of an ``object``, by name."""


NOTHING: Final = Shape("null")
TEXT: Final = Shape("text")

_NUMBERS: Final = ("numeric", "int", "float", "number")
_NESTED: Final = ("list", "object", "map")
_ARRAYS: Final[Set[type]] = {list, ReadOnlyList}
_OBJECTS: Final[Set[type]] = {dict, Document}
_TYPES: Final[Mapping[str, ArrowType]] = {
    "null": pa.null(),
    "boolean": pa.bool_(),
    "numeric": pa.float64(),
    "int": pa.int64(),
    "float": pa.float64(),
    "number": pa.float64(),
    "int64": pa.int64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "text": pa.string(),
}
_FLAT: Final[Mapping[str, Shape]] = {
    **{kind: Shape(kind) for kind in ("null", "boolean", "int", "float", "number", "int64", "string", "bytes")},
    "id": Shape("string"),
    "floats": Shape("list", Shape("float")),
    "encoded": TEXT,
    "rest": TEXT,
}


def flat_shape(kind: str) -> Shape:
    """The shape of the values of a column of this kind; of an encoded one ``TEXT``."""
    return _FLAT[kind]


def shape_of(values: Sequence[Any], declared: Shape = NOTHING) -> Shape:
    """The shape of values, ``None`` and ``MISSING`` among them. ``declared`` says which objects are maps.

    Costs O(n), mostly in C.
    """
    types: set[type] = set(map(type, values))
    types -= {type(None), type(MISSING)}
    if types and types <= _ARRAYS:
        elements = list(chain.from_iterable([value for value in values if value is not None and value is not MISSING]))
        return Shape("list", shape_of(elements, declared.inner or NOTHING))
    if types and types <= _OBJECTS:
        objects = [value for value in values if value is not None and value is not MISSING]
        if declared.kind == "map":
            items = list(chain.from_iterable([value.values() for value in objects]))
            return Shape("map", shape_of(items, declared.inner or NOTHING))
        names: set[str] = set().union(*objects)
        if len(names) > MOST_FIELDS:
            return TEXT
        known = dict(declared.fields)
        return Shape(
            "object",
            fields=tuple(
                [
                    (name, shape_of([value.get(name, MISSING) for value in objects], known.get(name, NOTHING)))
                    for name in sorted(names)
                ]
            ),
        )
    return _FLAT[field_of("", values).kind]


def join(one: Shape, other: Shape) -> Shape:
    """The least shape that holds the values of both; the fields of objects by name."""
    if one == other or other.kind == "null":
        return one
    if one.kind == "null":
        return other
    if one.kind in _NUMBERS and other.kind in _NUMBERS:
        kinds = {one.kind, other.kind} - {"numeric"}
        return Shape("number") if len(kinds) > 1 else Shape(kinds.pop())
    if one.kind != other.kind or one.kind not in _NESTED:
        return TEXT
    if one.inner is not None and other.inner is not None:
        return Shape(one.kind, join(one.inner, other.inner))
    fields = dict(one.fields)
    for name, shape in other.fields:
        fields[name] = join(fields.get(name, NOTHING), shape)
    return Shape("object", fields=tuple(sorted(fields.items())))


def settled(declared: Shape, found: Iterable[Shape]) -> Shape:
    """What the schema declared and the shapes that were found come to.

    Fields are in the schema's order, others follow by name. An object becomes text when it has no fields, too many,
    or such as SQL cannot tell apart.
    """
    return _settled(reduce(join, found, declared), declared)


def _settled(shape: Shape, declared: Shape) -> Shape:
    if shape.inner is not None:
        return Shape(shape.kind, _settled(shape.inner, declared.inner or NOTHING))
    if shape.kind != "object":
        return shape
    fields, known = dict(shape.fields), dict(declared.fields)
    if not 0 < len({name.lower() for name in fields}) == len(fields) <= MOST_FIELDS:
        return TEXT
    names = [*known, *sorted(fields.keys() - known.keys())]
    return Shape("object", fields=tuple([(name, _settled(fields[name], known.get(name, NOTHING))) for name in names]))


def holds(shape: Shape, other: Shape) -> bool:
    """Whether an array of ``shape`` has room for all values of ``other``."""
    if other.kind == "null" or shape.kind == "text":
        return True
    if shape.kind != other.kind:
        return shape.kind in _NUMBERS and join(shape, other) == shape
    if shape.inner is not None and other.inner is not None:
        return holds(shape.inner, other.inner)
    known = dict(shape.fields)
    return all(name in known and holds(known[name], field) for name, field in other.fields)


# -- Arrow -----------------------------------------------------------------------------------------------------


def arrow_type(shape: Shape) -> ArrowType:
    """The type of an array of these values. JSON text is ``string``."""
    if shape.kind == "object":
        return pa.struct([(name, arrow_type(field)) for name, field in shape.fields])
    if shape.inner is not None:
        inner = arrow_type(shape.inner)
        return pa.list_(inner) if shape.kind == "list" else pa.map_(pa.string(), inner)
    return _TYPES[shape.kind]


def array_of(values: Sequence[Any], shape: Shape) -> ArrowArray:
    """An array of values that fit the shape; ``None`` and ``MISSING`` are null. Costs O(n)."""
    if shape.kind == "text":
        return pa.array(
            [None if value is None or value is MISSING else plain_text(value) for value in values], pa.string()
        )
    if shape.kind not in _NESTED:
        return pa.array([None if value is MISSING else value for value in values], arrow_type(shape))
    absent = [value is None or value is MISSING for value in values]
    if shape.kind == "object":
        objects = [{} if gone else value for value, gone in zip(values, absent, strict=True)]
        children = [array_of([value.get(name, MISSING) for value in objects], field) for name, field in shape.fields]
        fields = [pa.field(name, child.type) for (name, _), child in zip(shape.fields, children, strict=True)]
        return pa.StructArray.from_arrays(children, fields=fields, mask=pa.array(absent, pa.bool_()))
    assert shape.inner is not None
    containers = [() if gone else value for value, gone in zip(values, absent, strict=True)]
    ends = list(accumulate(map(len, containers), initial=0))
    offsets = pa.array([None if gone else end for end, gone in zip(ends, [*absent, False], strict=True)], pa.int32())
    if shape.kind == "list":
        return pa.ListArray.from_arrays(offsets, array_of(list(chain.from_iterable(containers)), shape.inner))
    keys = pa.array(list(chain.from_iterable(containers)), pa.string())
    items = [item for container in containers if container for item in container.values()]
    return pa.MapArray.from_arrays(offsets, keys, array_of(items, shape.inner))


def fitting(values: Sequence[Any], shape: Shape) -> list[Any]:
    """The values, ``MISSING`` in place of those that have no room in an array of ``shape``."""
    if holds(shape, shape_of(values, shape)):
        return list(values)
    return [value if holds(shape, shape_of([value], shape)) else MISSING for value in values]


def plain_text(value: Any) -> str:
    """The JSON of a value that people read."""
    return json.dumps(to_plain_json(value), ensure_ascii=False, separators=(",", ":"))


# -- the schema ------------------------------------------------------------------------------------------------


def declared_shape(validator: Validator) -> Shape:
    """The shape that a validator promises; ``NOTHING`` where it says nothing, as ``v.any()``."""
    match validator:
        case StringValidator() | IdValidator():
            return Shape("string")
        case NumberValidator():
            return Shape("numeric")
        case Int64Validator():
            return Shape("int64")
        case BooleanValidator():
            return Shape("boolean")
        case BytesValidator():
            return Shape("bytes")
        case LiteralValidator(value=value):
            literals: dict[type, Shape] = {str: Shape("string"), bool: Shape("boolean"), Int64: Shape("int64")}
            return literals.get(type(value), Shape("numeric"))
        case ArrayValidator(element=element):
            return Shape("list", declared_shape(element))
        case RecordValidator(value=element):
            return Shape("map", declared_shape(element))
        case ObjectValidator(fields=fields):
            return Shape("object", fields=tuple([(name, declared_shape(field)) for name, field in fields.items()]))
        case UnionValidator(members=members):
            return reduce(join, map(declared_shape, members), NOTHING)
        case _:
            return NOTHING


@lru_cache(maxsize=256)
def declared_columns(definition: TableDefinition | None) -> Mapping[str, Shape]:
    """The shapes that a table's schema promises, by field."""
    if definition is None:
        return {}
    return {name: declared_shape(field) for name, field in document_fields(definition.validator).items()}
