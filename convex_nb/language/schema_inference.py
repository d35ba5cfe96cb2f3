"""Schemas from documents: the narrowest validator of the usual kind that accepts everything that was seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from convex_nb.language.limits import Limits
from convex_nb.language.schema import SchemaDefinition, TableDefinition, define_schema, define_table
from convex_nb.language.validator_checks import id_table
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
    RecordValidator,
    StringValidator,
    UnionValidator,
    Validator,
)
from convex_nb.language.values import Id, Int64, Value

_RECORD_FROM_FIELDS = 64
"""An object with more distinct keys than this, few of them in every object, is a record rather than a shape."""

_ATOMS: dict[type, type[Validator]] = {
    Int64: Int64Validator,
    float: NumberValidator,
    int: NumberValidator,
    bool: BooleanValidator,
    bytes: BytesValidator,
    type(None): NullValidator,
}


class Shape:
    """What has been seen at one place of the documents. `add` each value, then ask for the `validator`."""

    __slots__ = ("atoms", "element", "fields", "id_tables", "objects", "strings")

    def __init__(self) -> None:
        self.atoms: dict[type[Validator], None] = {}
        self.strings = 0
        self.id_tables: set[int | None] = set()
        self.objects = 0
        self.fields: dict[str, tuple[Shape, list[int]]] = {}
        self.element: Shape | None = None

    def add(self, value: Value) -> None:
        """Take one normalised value into account. The cost is linear in its parts."""
        kind = type(value)
        if kind is str or kind is Id:
            self.strings += 1
            if None not in self.id_tables:
                self.id_tables.add(id_table(value))
        elif isinstance(value, dict):
            self.objects += 1
            for name, item in value.items():
                self.add_field(name, 1).add(item)
        elif isinstance(value, list):
            if self.element is None:
                self.element = Shape()
            for item in value:
                self.element.add(item)
        else:
            self.atoms[_ATOMS[kind]] = None

    def add_field(self, name: str, count: int) -> Shape:
        """Return the shape of a field, which `count` more of the objects have."""
        field = self.fields.get(name)
        if field is None:
            field = self.fields[name] = (Shape(), [0])
        field[1][0] += count
        return field[0]

    def validator(self, tables: Mapping[int, str]) -> Validator:
        """Return the validator of everything seen; texts that all are ids of one of `tables` become `v.id`."""
        members: list[Validator] = []
        if self.strings:
            members.append(self._string(tables))
        members.extend(atom() for atom in self.atoms if atom is not NullValidator)
        if self.element is not None:
            members.append(ArrayValidator(self.element.validator(tables)))
        if self.objects:
            members.append(self._object(tables))
        if NullValidator in self.atoms:
            members.append(NullValidator())
        if not members:
            return AnyValidator()
        return members[0] if len(members) == 1 else UnionValidator(*members)

    def _string(self, tables: Mapping[int, str]) -> Validator:
        if len(self.id_tables) == 1:
            (number,) = self.id_tables
            if number is not None and number in tables:
                return IdValidator(tables[number])
        return StringValidator()

    def _object(self, tables: Mapping[int, str]) -> Validator:
        always = sum(count[0] == self.objects for _, count in self.fields.values())
        if len(self.fields) > _RECORD_FROM_FIELDS and 2 * always < len(self.fields):
            return self._record(tables)
        return self._fields(tables)

    def _fields(self, tables: Mapping[int, str]) -> ObjectValidator:
        return ObjectValidator(
            {
                name: shape.validator(tables).as_optional(count[0] < self.objects)
                for name, (shape, count) in self.fields.items()
            }
        )

    def _record(self, tables: Mapping[int, str]) -> RecordValidator:
        members: dict[Validator, None] = {}
        for shape, _ in self.fields.values():
            found = shape.validator(tables)
            for member in found.members if isinstance(found, UnionValidator) else (found,):
                members[member] = None
        values = list(members)
        return RecordValidator(StringValidator(), values[0] if len(values) == 1 else UnionValidator(*values))

    def add_document(self, document: Mapping[str, Any]) -> None:
        """Take a document into account, less its system fields."""
        self.add({name: value for name, value in document.items() if not name.startswith("_")})

    def table(self, tables: Mapping[int, str]) -> TableDefinition:
        """Return a table of all the documents seen, of `v.any()` where they have too many fields for an object."""
        too_many = len(self.fields) > Limits.convex().object_fields
        return define_table(AnyValidator() if too_many else self._fields(tables))


def infer_table(documents: Iterable[Mapping[str, Any]], tables: Mapping[int, str] | None = None) -> TableDefinition:
    """Return a table that accepts all of `documents` (system fields are left out); linear in their size.

    `tables` maps table numbers to names: fields whose texts all are ids of one of them become `v.id`.
    """
    shape = Shape()
    for document in documents:
        shape.add_document(document)
    return shape.table(tables or {})


def infer_schema(
    tables: Mapping[str, Iterable[Mapping[str, Any]]], numbers: Mapping[int, str] | None = None
) -> SchemaDefinition:
    """Return a schema that accepts the documents of each table; `numbers` maps table numbers to names."""
    return define_schema({name: infer_table(documents, numbers) for name, documents in tables.items()})
