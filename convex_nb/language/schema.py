"""Schemas: tables, what their documents look like, and their indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb.language.describing import describe, shorten
from convex_nb.language.document_validation import field_name_fault
from convex_nb.language.documents import SYSTEM_FIELDS
from convex_nb.language.errors import InvalidValueError, SchemaDefinitionError
from convex_nb.language.index_references import check_index_references
from convex_nb.language.limits import Limits
from convex_nb.language.names import RESERVED_INDEXES, check_field_path, check_field_paths, check_identifier
from convex_nb.language.qualified_names import component_of
from convex_nb.language.validator_compiler import compile_document_check
from convex_nb.language.validators import AnyValidator, ObjectValidator, UnionValidator, Validator, as_validator
from convex_nb.language.values import Value

if TYPE_CHECKING:
    import pyarrow

    from convex_nb.language.schema_diff import SchemaDiff

_LIMITS = Limits.convex()


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """A database index: `fields` are dotted paths, without the tie-breakers that every index ends with."""

    name: str
    fields: tuple[str, ...]
    staged: bool = False


@dataclass(frozen=True, slots=True)
class SearchIndexDefinition:
    """A text search index over one string field."""

    name: str
    search_field: str
    filter_fields: tuple[str, ...] = ()
    staged: bool = False


@dataclass(frozen=True, slots=True)
class VectorIndexDefinition:
    """A vector index over one field of `dimensions` floats."""

    name: str
    vector_field: str
    dimensions: int
    filter_fields: tuple[str, ...] = ()
    staged: bool = False


AnyIndexDefinition: TypeAlias = IndexDefinition | SearchIndexDefinition | VectorIndexDefinition


@dataclass(frozen=True)
class TableDefinition:
    """A table: the validator of its documents (without system fields) and its indexes.

    Immutable: `index`, `search_index` and `vector_index` return a new table. Raise `SchemaDefinitionError`.
    """

    validator: Validator
    indexes: tuple[IndexDefinition, ...] = ()
    search_indexes: tuple[SearchIndexDefinition, ...] = ()
    vector_indexes: tuple[VectorIndexDefinition, ...] = ()

    def index(self, name: str, fields: Sequence[str] | Mapping[str, Any], staged: bool = False) -> TableDefinition:
        """Return the table with one more index; a staged one is filled in the background and not queried until then.

        `fields` may also be the reference's dict, `{"fields": [...], "staged": True}`.
        """
        where = self._new_index(name, "Index")
        listed: object = fields
        if isinstance(fields, Mapping):
            unknown = fields.keys() - {"fields", "staged"}
            if unknown:
                raise SchemaDefinitionError(f"{where}: {min(unknown)!r} is not an option of indexes.", index=name)
            listed, staged = fields.get("fields", ()), fields.get("staged", staged)
        paths = check_field_paths(listed, where, _LIMITS.index_fields - 1, "fields besides _creationTime")
        if not paths:
            raise SchemaDefinitionError(f"{where} has no fields; `by_creation_time` is there by itself.", index=name)
        return replace(self, indexes=(*self.indexes, IndexDefinition(name, paths, _flag(staged, where))))

    def search_index(
        self, name: str, search_field: str, filter_fields: Sequence[str] = (), staged: bool = False
    ) -> TableDefinition:
        """Return the table with one more text search index."""
        where = self._new_index(name, "Search index")
        filters = check_field_paths(filter_fields, where, _LIMITS.search_filter_fields, "filter fields")
        found = SearchIndexDefinition(name, check_field_path(search_field, where), filters, _flag(staged, where))
        if len(self.search_indexes) >= _LIMITS.search_indexes:
            raise SchemaDefinitionError(
                f"{where} is one too many: a table has at most {_LIMITS.search_indexes} search indexes.", index=name
            )
        return replace(self, search_indexes=(*self.search_indexes, found))

    def vector_index(
        self, name: str, vector_field: str, dimensions: int, filter_fields: Sequence[str] = (), staged: bool = False
    ) -> TableDefinition:
        """Return the table with one more vector index; documents without a vector of that length are not in it."""
        where = self._new_index(name, "Vector index")
        if isinstance(dimensions, bool) or not isinstance(dimensions, int):
            raise SchemaDefinitionError(f"{where}: dimensions is {describe(dimensions, 80)}, not an int.", index=name)
        least, most = _LIMITS.vector_dimensions_least, _LIMITS.vector_dimensions_most
        if not least <= dimensions <= most:
            raise SchemaDefinitionError(
                f"{where} has {dimensions} dimensions; between {least} and {most} are allowed.", index=name
            )
        filters = check_field_paths(filter_fields, where, _LIMITS.vector_filter_fields, "filter fields")
        path = check_field_path(vector_field, where)
        if len(self.vector_indexes) >= _LIMITS.vector_indexes:
            raise SchemaDefinitionError(
                f"{where} is one too many: a table has at most {_LIMITS.vector_indexes} vector indexes.", index=name
            )
        found = VectorIndexDefinition(name, path, dimensions, filters, _flag(staged, where))
        return replace(self, vector_indexes=(*self.vector_indexes, found))

    def _new_index(self, name: str, what: str) -> str:
        """Check the name and the number of a new index; return how messages call it."""
        check_identifier(name, what)
        if name in RESERVED_INDEXES:
            raise SchemaDefinitionError(f"Index name {name!r} is reserved: every table has that index.", index=name)
        if name in self.index_names:
            raise SchemaDefinitionError(f"Index {name!r} is defined twice.", index=name)
        if len(self.index_names) >= _LIMITS.table_indexes:
            raise SchemaDefinitionError(
                f"Index {name!r} is one too many: a table has at most {_LIMITS.table_indexes} indexes of all kinds.",
                index=name,
            )
        return f"{what} {name!r}"

    @property
    def all_indexes(self) -> tuple[AnyIndexDefinition, ...]:
        """The definitions of all indexes: database, then search, then vector."""
        return (*self.indexes, *self.search_indexes, *self.vector_indexes)

    @property
    def index_names(self) -> tuple[str, ...]:
        """The names of `all_indexes`."""
        return tuple(found.name for found in self.all_indexes)

    def validate(
        self, fields: Mapping[str, Any], *, table_name: str, tables: Mapping[int, str] | None = None
    ) -> dict[str, Value]:
        """Return a document's fields (without system fields) normalised, or raise `SchemaValidationError`.

        `tables` maps table numbers to names, for `v.id`. `InvalidValueError` for what cannot be stored at all.
        """
        # The compiled function takes this method's place, so that every later write calls it directly.
        check = self.__dict__.get("validate")
        if check is None:
            check = self.__dict__["validate"] = compile_document_check(self.validator)
        return check(fields, table_name=table_name, tables=tables)

    def to_code(self) -> str:
        """Return the expression that defines this table."""
        from convex_nb.language.schema_code import table_code

        return table_code(self)

    def arrow_schema(self) -> pyarrow.Schema:
        """Return the Arrow schema of the table's documents, system fields first."""
        from convex_nb.language.schema_arrow import arrow_schema

        return arrow_schema(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TableDefinition):
            return NotImplemented
        return self.validator == other.validator and set(self.all_indexes) == set(other.all_indexes)

    def __hash__(self) -> int:
        return hash((self.validator, frozenset(self.all_indexes)))

    def __repr__(self) -> str:
        return self.to_code()

    def __getstate__(self) -> dict[str, Any]:
        return {name: item for name, item in self.__dict__.items() if name != "validate"}


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise SchemaDefinitionError(f"{where}: staged is True or False, not {describe(value, 80)}.")
    return value


@dataclass(frozen=True)
class SchemaDefinition:
    """The tables of a deployment. Equal by content, whatever the order of tables, fields and indexes."""

    tables: Mapping[str, TableDefinition]
    schema_validation: bool = True
    strict_table_name_types: bool = True

    def __hash__(self) -> int:
        return hash((frozenset(self.tables), self.schema_validation))

    def validates(self, table: str) -> bool:
        """Tell whether documents of this table are checked. Components say so by `v.any()`, for each table."""
        return self.schema_validation or bool(component_of(table))

    def to_code(self) -> str:
        """Return the module that defines this schema."""
        from convex_nb.language.schema_code import schema_code

        return schema_code(self)

    def diff(self, other: SchemaDefinition) -> SchemaDiff:
        """Return what changes when `other` takes this schema's place; false when they are equal.

        Raises `InvalidValueError` for what is no schema.
        """
        from convex_nb.language.schema_diff import schema_diff

        if not isinstance(other, SchemaDefinition):
            raise InvalidValueError(
                f"diff() compares with another schema, as `define_schema` returns it, not {describe(other, 80)}.",
                value=other,
            )
        return schema_diff(self, other)

    def arrow_schema(self, table: str) -> pyarrow.Schema:
        """Return the Arrow schema of one table's documents."""
        return self.tables[table].arrow_schema()

    def __repr__(self) -> str:
        return self.to_code()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "tables": dict(self.tables)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, tables=MappingProxyType(state["tables"]))


def define_table(document: Validator | Mapping[str, Validator]) -> TableDefinition:
    """Return a table of documents that fit a dict of fields, an object, a union of objects, or `v.any()`.

    `_id` and `_creationTime` are added by themselves. Raises `SchemaDefinitionError`.
    """
    try:
        validator = as_validator(document)
        _check_document_validator(validator)
    except SchemaDefinitionError as error:
        raise SchemaDefinitionError(f"define_table: {error}", field=error.field) from None
    return TableDefinition(validator)


def _check_document_validator(validator: Validator) -> None:
    if validator.is_optional:
        raise SchemaDefinitionError("a document cannot be optional; v.optional is for fields of objects.")
    if isinstance(validator, AnyValidator):
        return
    members = validator.members if isinstance(validator, UnionValidator) else (validator,)
    for member in members:
        if not isinstance(member, ObjectValidator):
            raise SchemaDefinitionError(
                "documents are described by a dict of fields, v.object, a v.union of objects, or v.any(), not by "
                f"{shorten(member.to_code(), 80)}."
            )
        for name in member.fields:
            if name in SYSTEM_FIELDS:
                raise SchemaDefinitionError(f"{name!r} is added to every document; leave it out.", field=name)
            fault = field_name_fault(name)
            if fault is not None:
                raise SchemaDefinitionError(fault, field=name)
    if not members:
        raise SchemaDefinitionError("a union of no objects accepts no document.")


def define_schema(
    tables: Mapping[str, TableDefinition], *, schema_validation: bool = True, strict_table_name_types: bool = True
) -> SchemaDefinition:
    """Return a schema. With `schema_validation=False` documents are not checked; the indexes are there all the same.

    Raises `SchemaDefinitionError`, also for an index over a field that no document of its table can have.
    `strict_table_name_types` is the reference's option for its type checker and changes nothing here.
    """
    if not isinstance(tables, Mapping):
        raise SchemaDefinitionError(f"define_schema takes a dict of tables, not {describe(tables, 80)}.")
    if len(tables) > _LIMITS.tables:
        raise SchemaDefinitionError(f"A schema has {len(tables)} tables; at most {_LIMITS.tables} are allowed.")
    for name, table in tables.items():
        check_identifier(name, "Table")
        if not isinstance(table, TableDefinition):
            raise SchemaDefinitionError(
                f"Table {name!r} is {describe(table, 80)}, not a table. Write define_table({{...}}).", table=name
            )
        # Documents that nothing checks may have fields that nobody declared.
        if schema_validation:
            check_index_references(name, table)
    return SchemaDefinition(MappingProxyType(dict(tables)), bool(schema_validation), bool(strict_table_name_types))
