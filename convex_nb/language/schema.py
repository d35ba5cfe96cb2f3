"""Schemas: tables, their documents' validators and their indexes, with every naming and counting rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from convex_nb.language.document_validation import compile_document_check
from convex_nb.language.errors import SchemaDefinitionError, shorten
from convex_nb.language.limits import Limits
from convex_nb.language.validators import AnyValidator, ObjectValidator, UnionValidator, Validator, as_validator
from convex_nb.language.values import Value

if TYPE_CHECKING:
    import pyarrow

    from convex_nb.language.schema_diff import SchemaDiff

_LIMITS = Limits.convex()
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
RESERVED_INDEXES = frozenset({"by_id", "by_creation_time"})


def check_identifier(name: object, what: str) -> str:
    """Return a user's table or index name, or raise `SchemaDefinitionError` with the rule it breaks."""
    if not isinstance(name, str):
        raise SchemaDefinitionError(f"{what} name {name!r} is not a string.")
    if len(name) > _LIMITS.identifier_length:
        raise SchemaDefinitionError(
            f"{what} name {shorten(name, 80)!r} has {len(name)} characters; at most {_LIMITS.identifier_length} are allowed."
        )
    if name.startswith("_"):
        raise SchemaDefinitionError(f"{what} name {name!r} starts with an underscore, which is reserved for the system.")
    if _IDENTIFIER.fullmatch(name) is None:
        raise SchemaDefinitionError(
            f"{what} name {name!r} is not an identifier: letters, digits and underscores, not starting with a digit."
        )
    return str(name)


def _check_field_path(path: object, where: str) -> str:
    if not isinstance(path, str) or not path:
        raise SchemaDefinitionError(f"{where}: {path!r} is not a field path, e.g. \"owner\" or \"address.city\".")
    for name in path.split("."):
        if not name or name.startswith("$") or not name.isascii() or not name.isprintable():
            raise SchemaDefinitionError(f"{where}: {path!r} is not a field path: {name!r} cannot be a field.", field=path)
    if path.startswith("_"):
        hint = (
            " It is added at the end of every index by itself." if path == "_creationTime" else " Use `db.get` for ids."
        ) if path in ("_creationTime", "_id") else ""
        raise SchemaDefinitionError(
            f"{where}: {path!r} starts with an underscore; system fields cannot be listed.{hint}", field=path
        )
    return str(path)


def _check_field_paths(paths: object, where: str, most: int, what: str) -> tuple[str, ...]:
    if isinstance(paths, str) or not isinstance(paths, Sequence):
        raise SchemaDefinitionError(f"{where} takes a list of field paths, not {shorten(repr(paths), 80)}.")
    fields = tuple(_check_field_path(path, where) for path in paths)
    for position, path in enumerate(fields):
        if path in fields[:position]:
            raise SchemaDefinitionError(f"{where} lists {path!r} twice.", field=path)
    if len(fields) > most:
        raise SchemaDefinitionError(f"{where} has {len(fields)} {what}; at most {most} are allowed.")
    return fields


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


@dataclass(frozen=True)
class TableDefinition:
    """A table: the validator of its documents (without system fields) and its indexes. Immutable; `index` and the like return a new one."""

    validator: Validator
    indexes: tuple[IndexDefinition, ...] = ()
    search_indexes: tuple[SearchIndexDefinition, ...] = ()
    vector_indexes: tuple[VectorIndexDefinition, ...] = ()
    _check: Any = field(default=None, init=False, repr=False, compare=False)

    def index(
        self, name: str, fields: Sequence[str] | Mapping[str, Any], staged: bool = False
    ) -> TableDefinition:
        """Return the table with one more index; a staged one is filled in the background and not yet queried."""
        if isinstance(fields, Mapping):
            options = dict(fields)
            fields, staged = options.pop("fields", ()), options.pop("staged", staged)
            if options:
                raise SchemaDefinitionError(f"Index {name!r}: unknown option {next(iter(options))!r}.", index=name)
        where = f"Index {name!r}"
        self._check_name(name)
        paths = _check_field_paths(fields, where, _LIMITS.index_fields - 1, "fields besides _creationTime")
        if not paths:
            raise SchemaDefinitionError(f"{where} has no fields; `by_creation_time` is there by itself.", index=name)
        return self._with("indexes", IndexDefinition(name, paths, _flag(staged, where)))

    def search_index(
        self, name: str, search_field: str, filter_fields: Sequence[str] = (), staged: bool = False
    ) -> TableDefinition:
        """Return the table with one more text search index."""
        where = f"Search index {name!r}"
        self._check_name(name)
        filters = _check_field_paths(filter_fields, where, _LIMITS.search_filter_fields, "filter fields")
        definition = SearchIndexDefinition(name, _check_field_path(search_field, where), filters, _flag(staged, where))
        return self._with("search_indexes", definition)

    def vector_index(
        self, name: str, vector_field: str, dimensions: int, filter_fields: Sequence[str] = (), staged: bool = False
    ) -> TableDefinition:
        """Return the table with one more vector index; documents without a vector of that length are not in it."""
        where = f"Vector index {name!r}"
        self._check_name(name)
        if isinstance(dimensions, bool) or not isinstance(dimensions, int):
            raise SchemaDefinitionError(f"{where}: dimensions is {dimensions!r}, not a whole number.", index=name)
        if not _LIMITS.vector_dimensions_least <= dimensions <= _LIMITS.vector_dimensions_most:
            raise SchemaDefinitionError(
                f"{where} has {dimensions} dimensions; between {_LIMITS.vector_dimensions_least} and "
                f"{_LIMITS.vector_dimensions_most} are allowed.",
                index=name,
            )
        filters = _check_field_paths(filter_fields, where, _LIMITS.vector_filter_fields, "filter fields")
        path = _check_field_path(vector_field, where)
        return self._with("vector_indexes", VectorIndexDefinition(name, path, dimensions, filters, _flag(staged, where)))

    def _check_name(self, name: str) -> None:
        check_identifier(name, "Index")
        if name in RESERVED_INDEXES:
            raise SchemaDefinitionError(f"Index name {name!r} is reserved: every table has that index.", index=name)
        if name in self.index_names:
            raise SchemaDefinitionError(f"Index {name!r} is defined twice.", index=name)

    def _with(self, kind: str, definition: Any) -> TableDefinition:
        found = (*getattr(self, kind), definition)
        most = {"indexes": _LIMITS.table_indexes, "search_indexes": _LIMITS.search_indexes}.get(
            kind, _LIMITS.vector_indexes
        )
        if len(found) > most or len(self.index_names) >= _LIMITS.table_indexes:
            what = "" if len(found) <= most or kind == "indexes" else kind.split("_")[0] + " "
            limit = most if what else _LIMITS.table_indexes
            raise SchemaDefinitionError(
                f"Index {definition.name!r} is one too many: a table has at most {limit} {what}indexes.",
                index=definition.name,
            )
        return replace(self, **{kind: found})

    @property
    def index_names(self) -> tuple[str, ...]:
        """The names of all indexes of every kind, in the order of their definition within a kind."""
        return tuple(found.name for found in (*self.indexes, *self.search_indexes, *self.vector_indexes))

    def validate(
        self, fields: Mapping[str, Any], *, table_name: str, tables: Mapping[int, str] | None = None
    ) -> dict[str, Value]:
        """Return a document's fields (without system fields) normalised, or raise `SchemaValidationError`.

        `tables` maps table numbers to names, for `v.id`. `InvalidValueError` for what cannot be stored at all.
        """
        check = self._check
        if check is None:
            check = self.__dict__["_check"] = compile_document_check(self.validator)
        return check(fields, tables, table_name)  # type: ignore[no-any-return]

    def to_code(self) -> str:
        """Return the expression that defines this table."""
        from convex_nb.language.schema_code import table_code

        return table_code(self)

    def arrow_schema(self) -> pyarrow.Schema:
        """Return the Arrow schema of the table's documents, system fields first."""
        from convex_nb.language.schema_arrow import arrow_schema

        return arrow_schema(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_check": None}


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise SchemaDefinitionError(f"{where}: staged is True or False, not {shorten(repr(value), 80)}.")
    return value


@dataclass(frozen=True)
class SchemaDefinition:
    """A deployment's tables. Equal by content: tables, validators, indexes and options, in any order."""

    tables: Mapping[str, TableDefinition]
    schema_validation: bool = True
    strict_table_name_types: bool = True

    def __hash__(self) -> int:
        return hash((frozenset(self.tables), self.schema_validation))

    def to_code(self) -> str:
        """Return the module that defines this schema."""
        from convex_nb.language.schema_code import schema_code

        return schema_code(self)

    def diff(self, other: SchemaDefinition) -> SchemaDiff:
        """Return what changes when `other` takes this schema's place; false when they are equal."""
        from convex_nb.language.schema_diff import schema_diff

        return schema_diff(self, other)

    def arrow_schema(self, table: str) -> pyarrow.Schema:
        """Return the Arrow schema of one table's documents."""
        return self.tables[table].arrow_schema()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "tables": dict(self.tables)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, tables=MappingProxyType(state["tables"]))


def define_table(document: Validator | Mapping[str, Validator]) -> TableDefinition:
    """Return a table of documents that fit a dict of fields, an object, a union of objects, or `v.any()`."""
    try:
        validator = as_validator(document)
    except SchemaDefinitionError as error:
        raise SchemaDefinitionError(f"define_table: {error}", field=error.field) from None
    _check_document_validator(validator)
    return TableDefinition(validator)


def _check_document_validator(validator: Validator) -> None:
    if validator.is_optional:
        raise SchemaDefinitionError("define_table: a document cannot be optional; v.optional is for fields of objects.")
    if isinstance(validator, AnyValidator):
        return
    members = validator.members if isinstance(validator, UnionValidator) else (validator,)
    for member in members:
        if not isinstance(member, ObjectValidator):
            raise SchemaDefinitionError(
                "define_table takes a dict of fields, v.object, a v.union of objects, or v.any(), "
                f"not {shorten(member.to_code(), 80)}."
            )
        for name in member.fields:
            if name in ("_id", "_creationTime"):
                raise SchemaDefinitionError(f"define_table: {name!r} is added to every document; leave it out.", field=name)
            if name.startswith("_"):
                raise SchemaDefinitionError(
                    f"define_table: field {name!r} starts with an underscore, which is reserved for the system.", field=name
                )
            if _IDENTIFIER.fullmatch(name) is None or len(name) > _LIMITS.field_name_length:
                raise SchemaDefinitionError(
                    f"define_table: field {shorten(name, 80)!r} is not a field name of documents: letters, digits and "
                    f"underscores, starting with a letter, at most {_LIMITS.field_name_length} characters.",
                    field=name,
                )


def define_schema(
    tables: Mapping[str, TableDefinition], *, schema_validation: bool = True, strict_table_name_types: bool = True
) -> SchemaDefinition:
    """Return a schema. With `schema_validation=False` documents are not checked; the indexes are there all the same."""
    if not isinstance(tables, Mapping):
        raise SchemaDefinitionError(f"define_schema takes a dict of tables, not {shorten(repr(tables), 80)}.")
    if len(tables) > _LIMITS.tables:
        raise SchemaDefinitionError(f"A schema has {len(tables)} tables; at most {_LIMITS.tables} are allowed.")
    for name, table in tables.items():
        check_identifier(name, "Table")
        if not isinstance(table, TableDefinition):
            raise SchemaDefinitionError(
                f"Table {name!r} is {shorten(repr(table), 80)}, not a table. Write define_table({{...}}).", table=name
            )
    return SchemaDefinition(MappingProxyType(dict(tables)), bool(schema_validation), bool(strict_table_name_types))
