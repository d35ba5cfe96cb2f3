"""Hypothesis strategies: any value, any validator, anything that fits one, any table and its documents.

Values are normalised (`to_value` returns an equal copy of them) and hold the corners on purpose: both zeros, NaNs,
infinities, the edges of 53 and 64 bits, empty strings, strings with NUL and beyond the basic plane, empty containers.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from hypothesis import strategies as st

from convex_nb.language.ids import encode_id
from convex_nb.language.schema import SchemaDefinition, TableDefinition, define_schema, define_table
from convex_nb.language.validators import (
    AnyValidator,
    ArrayValidator,
    BooleanValidator,
    BytesValidator,
    IdValidator,
    Int64Validator,
    LiteralValidator,
    NullValidator,
    NumberValidator,
    ObjectValidator,
    RecordValidator,
    StringValidator,
    UnionValidator,
    Validator,
    WholeNumberValidator,
    v,
)
from convex_nb.language.values import INT64_LEAST, INT64_MOST, NUMBER_MOST, Int64, Value

TABLES: Mapping[int, str] = {10001: "users", 10002: "tasks", 10003: "messages"}
"""The tables whose ids the strategies make: number and name, as `validate(..., tables=TABLES)` takes them."""

_KEY_CHARACTERS = "".join(sorted(set(string.printable[:95])))
_IDENTIFIER_START = string.ascii_letters
_IDENTIFIER_REST = string.ascii_letters + string.digits + "_"
_ODD_TEXTS = ["", "\x00", "a\x00b", "é", "～", "😀", "\uffff", "$integer", "z" * 40]


def texts() -> st.SearchStrategy[str]:
    """Strings of valid Unicode."""
    return st.sampled_from(_ODD_TEXTS) | st.text(max_size=12)


def whole_numbers() -> st.SearchStrategy[int]:
    """Plain ints that are numbers: up to 2**53 either way."""
    return st.sampled_from([0, 1, -1, NUMBER_MOST, -NUMBER_MOST]) | st.integers(-NUMBER_MOST, NUMBER_MOST)


def numbers() -> st.SearchStrategy[float]:
    """Floats and ints, NaNs of both signs, infinities and both zeros included."""
    corners = [0.0, -0.0, float("nan"), -float("nan"), float("inf"), -float("inf"), 5e-324, 2.0**53, 1.0, -1.0]
    return st.sampled_from(corners) | st.floats() | whole_numbers()


def int64s() -> st.SearchStrategy[Int64]:
    """`Int64` values, the edges of each encoded width included."""
    edges = [
        sign * (1 << bits) + off for bits in (7, 8, 15, 16, 31, 32, 53, 63) for sign in (1, -1) for off in (-1, 0, 1)
    ]
    inside = [edge for edge in edges if INT64_LEAST <= edge <= INT64_MOST]
    return (st.sampled_from([0, *inside]) | st.integers(INT64_LEAST, INT64_MOST)).map(Int64)


def binaries() -> st.SearchStrategy[bytes]:
    """Bytes."""
    return st.sampled_from([b"", b"\x00", b"\xff", b"\x00\xff"]) | st.binary(max_size=12)


def atoms() -> st.SearchStrategy[Value]:
    """Values that hold no other values."""
    return st.none() | st.booleans() | numbers() | int64s() | texts() | binaries()


def keys() -> st.SearchStrategy[str]:
    """Keys that an object may have."""
    short = st.sampled_from(["a", "b", "c", "_id", "a b", 'a"b', "a'b", "{a}", "a.b"])
    return short | st.text(_KEY_CHARACTERS, min_size=1, max_size=8).filter(lambda key: key[0] != "$")


def values(max_leaves: int = 12) -> st.SearchStrategy[Value]:
    """Any value."""
    return st.recursive(
        atoms(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys(), inner, max_size=4),
        max_leaves=max_leaves,
    )


def names() -> st.SearchStrategy[str]:
    """Names of tables and indexes, and of top-level fields of documents."""
    rest = st.text(_IDENTIFIER_REST, max_size=8)
    return st.sampled_from(["a", "b", "name", "by_"]) | st.builds(str.__add__, st.sampled_from(_IDENTIFIER_START), rest)


def ids(table: str | None = None) -> st.SearchStrategy[str]:
    """Document ids, of one of `TABLES` or of any of them."""
    numbers_of = [number for number, name in TABLES.items() if table is None or name == table]
    return st.builds(encode_id, st.sampled_from(numbers_of), st.binary(min_size=16, max_size=16))


def literals() -> st.SearchStrategy[Value]:
    """Values that `v.literal` takes."""
    return st.booleans() | numbers() | int64s() | texts()


def atom_validators() -> st.SearchStrategy[Validator]:
    """Validators of atoms."""
    plain = [v.string(), v.number(), v.int64(), v.boolean(), v.null(), v.bytes(), v.any()]
    return st.sampled_from(plain) | st.sampled_from(list(TABLES.values())).map(v.id) | literals().map(v.literal)


def validators(max_leaves: int = 8) -> st.SearchStrategy[Validator]:
    """Any validator that is not optional."""
    return st.recursive(atom_validators(), _around, max_leaves=max_leaves)


def _around(inner: st.SearchStrategy[Validator]) -> st.SearchStrategy[Validator]:
    record_keys = st.sampled_from([v.string(), v.id("users"), v.union(v.string(), v.id("tasks"))])
    return (
        inner.map(v.array)
        | inner.map(v.nullable)
        | st.lists(inner, min_size=1, max_size=3).map(lambda members: v.union(*members))
        | st.builds(v.record, record_keys, inner)
        | _objects(keys(), inner)
    )


def _objects(names_: st.SearchStrategy[str], inner: st.SearchStrategy[Validator]) -> st.SearchStrategy[ObjectValidator]:
    fields = st.dictionaries(names_, inner | inner.map(v.optional), max_size=4)
    return fields.map(v.object)


def document_validators() -> st.SearchStrategy[Validator]:
    """Validators that `define_table` takes."""
    objects = _objects(names(), validators(max_leaves=4))
    return objects | st.lists(objects, min_size=1, max_size=3).map(lambda members: v.union(*members)) | st.just(v.any())


def fitting(validator: Validator) -> st.SearchStrategy[Any]:
    """Normalised values that fit `validator`, ids being of `TABLES`."""
    match validator:
        case StringValidator():
            return texts()
        case WholeNumberValidator():
            return whole_numbers()
        case NumberValidator():
            return numbers()
        case Int64Validator():
            return int64s()
        case BooleanValidator():
            return st.booleans()
        case NullValidator():
            return st.none()
        case BytesValidator():
            return binaries()
        case IdValidator():
            return ids(validator.table_name)
        case LiteralValidator():
            return st.just(validator.value)
        case ArrayValidator():
            return st.lists(fitting(validator.element), max_size=3)
        case RecordValidator():
            record_keys = fitting(validator.key).filter(_is_key)
            return st.dictionaries(record_keys, fitting(validator.value), max_size=3)
        case ObjectValidator():
            return _fields(validator)
        case UnionValidator():
            return st.one_of([fitting(member) for member in validator.members])
        case AnyValidator():
            return values(max_leaves=4)
        case _:
            raise TypeError(f"no strategy for {validator!r}")


def _is_key(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and text[0] != "$"


def _fields(validator: ObjectValidator) -> st.SearchStrategy[dict[str, Value]]:
    required = {name: fitting(field) for name, field in validator.fields.items() if not field.is_optional}
    optional = {name: fitting(field) for name, field in validator.fields.items() if field.is_optional}
    return st.fixed_dictionaries(required, optional=optional)


def tables() -> st.SearchStrategy[TableDefinition]:
    """Any table, with up to three database indexes over fields that its documents may have, nested ones included."""
    return document_validators().flatmap(_with_indexes)


def _with_indexes(validator: Validator) -> st.SearchStrategy[TableDefinition]:
    table = define_table(validator)
    declared = sorted(set(_paths(validator)))
    if not declared and not isinstance(validator, AnyValidator):
        return st.just(table)
    paths = st.sampled_from(declared) if declared else names()
    index = st.tuples(names(), st.lists(paths, min_size=1, max_size=3, unique=True), st.booleans())
    return st.lists(index, max_size=3, unique_by=lambda found: found[0]).map(
        lambda indexes: reduce(lambda made, found: made.index(*found), indexes, table)
    )


def _paths(validator: Validator) -> Iterator[str]:
    """Yield the dotted paths that an index over documents of `validator` may list."""
    match validator:
        case UnionValidator():
            for member in validator.members:
                yield from _paths(member)
        case ObjectValidator():
            for name, field in validator.fields.items():
                if name.isidentifier():
                    yield name
                    yield from (f"{name}.{path}" for path in _paths(field))
        case _:
            return


def contents() -> st.SearchStrategy[dict[str, list[dict[str, Value]]]]:
    """The documents of up to three tables without a schema, by table; of some there are none."""
    documents_ = st.dictionaries(names(), values(max_leaves=4), max_size=4)
    return st.dictionaries(names(), st.lists(documents_, max_size=5), max_size=3)


def schemas() -> st.SearchStrategy[SchemaDefinition]:
    """Any schema of up to three tables."""
    return st.builds(
        lambda tables_, validation: define_schema(tables_, schema_validation=validation),
        st.dictionaries(names(), tables(), max_size=3),
        st.booleans(),
    )


def documents(table: TableDefinition) -> st.SearchStrategy[dict[str, Value]]:
    """Documents (without system fields) that `table` accepts."""
    if isinstance(table.validator, AnyValidator):
        return st.dictionaries(names(), values(max_leaves=4), max_size=4)
    return fitting(table.validator)
