"""Tables, indexes and schemas, and the documents that a table accepts."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.errors import InvalidValueError, SchemaDefinitionError, SchemaValidationError
from convex_nb.language.ordering import same_value
from convex_nb.language.schema import (
    IndexDefinition,
    SchemaDefinition,
    SearchIndexDefinition,
    TableDefinition,
    VectorIndexDefinition,
    define_schema,
    define_table,
)
from convex_nb.language.validator_checks import converts
from convex_nb.language.validators import Validator, v
from convex_nb.language.values import Int64, size_of
from convex_nb.testing.strategies import TABLES, documents, schemas, tables

TASKS = define_table({"text": v.string(), "done": v.boolean(), "at": v.optional(v.object({"city": v.string()}))})


def test_a_table_with_every_kind_of_index() -> None:
    table = (
        TASKS.index("by_done", ["done"])
        .index("by_city", ["at.city", "done"], staged=True)
        .index("by_text", {"fields": ["text"], "staged": True})
        .search_index("search_text", search_field="text", filter_fields=["done", "at.city"])
        .vector_index("by_vector", vector_field="vector", dimensions=4, filter_fields=["done"], staged=True)
    )
    assert table.indexes == (
        IndexDefinition("by_done", ("done",)),
        IndexDefinition("by_city", ("at.city", "done"), staged=True),
        IndexDefinition("by_text", ("text",), staged=True),
    )
    assert table.search_indexes == (SearchIndexDefinition("search_text", "text", ("done", "at.city")),)
    assert table.vector_indexes == (VectorIndexDefinition("by_vector", "vector", 4, ("done",), staged=True),)
    assert table.index_names == ("by_done", "by_city", "by_text", "search_text", "by_vector")
    assert TASKS.index_names == ()


def _many(count: int) -> TableDefinition:
    table = TASKS
    for number in range(count):
        table = table.index(f"i{number}", ["text"])
    return table


def test_the_numbers_that_are_allowed() -> None:
    _many(32)
    TASKS.index("i", [f"f{number}" for number in range(15)])
    TASKS.search_index("s", "text", [f"f{number}" for number in range(16)])
    TASKS.vector_index("w", "v", 2).vector_index("x", "v", 4096)


WRONG_INDEXES: list[tuple[Callable[[], object], str]] = [
    (lambda: TASKS.index("by_id", ["text"]), "reserved"),
    (lambda: TASKS.index("by_creation_time", ["text"]), "reserved"),
    (lambda: TASKS.index("_a", ["text"]), "underscore"),
    (lambda: TASKS.index("a-b", ["text"]), "identifier"),
    (lambda: TASKS.index("x" * 65, ["text"]), "65 characters"),
    (lambda: TASKS.index("a", []), "no fields"),
    (lambda: TASKS.index("a", "text"), "list of fields"),
    (lambda: TASKS.index("a", ["text", "text"]), "twice"),
    (lambda: TASKS.index("a", ["_creationTime"]), "by itself"),
    (lambda: TASKS.index("a", ["_id"]), "system field"),
    (lambda: TASKS.index("a", ["a..b"]), "cannot be a name"),
    (lambda: TASKS.index("a", [f"f{number}" for number in range(16)]), "at most 15"),
    (lambda: TASKS.index("a", ["text"], staged=1), "staged is True or False"),  # type: ignore[arg-type]
    (lambda: TASKS.index("a", {"fields": ["text"], "stage": True}), "'stage' is not an option"),
    (lambda: TASKS.index("a", {}), "no fields"),
    (lambda: TASKS.index("a", ["text"]).index("a", ["done"]), "defined twice"),
    (lambda: TASKS.index("a", ["text"]).search_index("a", "text"), "defined twice"),
    (lambda: _many(33), "at most 32"),
    (lambda: _many(32).search_index("s", "text"), "at most 32"),
    (lambda: _many(32).vector_index("s", "text", 4), "at most 32"),
    (lambda: _searches(5), "at most 4 search"),
    (lambda: _vectors(5), "at most 4 vector"),
    (lambda: TASKS.search_index("s", "text", [f"f{number}" for number in range(17)]), "at most 16"),
    (lambda: TASKS.search_index("s", ""), "not a field"),
    (lambda: TASKS.search_index("s", "text", "done"), "list of fields"),
    (lambda: TASKS.vector_index("s", "v", 1), "between 2 and 4096"),
    (lambda: TASKS.vector_index("s", "v", 4097), "between 2 and 4096"),
    (lambda: TASKS.vector_index("s", "v", True), "not an int"),
    (lambda: TASKS.vector_index("s", "v", 4.0), "not an int"),  # type: ignore[arg-type]
    (lambda: TASKS.vector_index("s", "v", 4, ["_id"]), "system field"),
]


def _searches(count: int) -> TableDefinition:
    table = TASKS
    for number in range(count):
        table = table.search_index(f"s{number}", "text")
    return table


def _vectors(count: int) -> TableDefinition:
    table = TASKS
    for number in range(count):
        table = table.vector_index(f"w{number}", "v", 4)
    return table


@pytest.mark.parametrize(("make", "message"), WRONG_INDEXES)
def test_wrong_indexes_are_refused_where_they_are_written(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=message):
        make()


WRONG_TABLES: list[tuple[Any, str]] = [
    (v.string(), "documents are described by"),
    (v.union(v.object({}), v.string()), "documents are described by"),
    (v.union(v.object({}), v.any()), "documents are described by"),
    (v.union(), "accepts no document"),
    (v.record(v.string(), v.any()), "documents are described by"),
    (v.optional(v.object({})), "optional"),
    ({"a": str}, 'Field "a"'),
    ({"a": None}, 'Field "a"'),
    (5, "a validator or a dict"),
    ({"_id": v.string()}, "added to every document"),
    ({"_creationTime": v.number()}, "added to every document"),
    ({"_a": v.string()}, "underscore"),
    ({"x" * 65: v.string()}, "65 characters"),
    ({"a b": v.string()}, "not a field name"),
    ({"1a": v.string()}, "not a field name"),
    ({"$a": v.string()}, "reserved"),
    (v.union(v.object({}), v.object({"_a": v.any()})), "underscore"),
]


@pytest.mark.parametrize(("document", "message"), WRONG_TABLES)
def test_wrong_tables_are_refused_where_they_are_written(document: Any, message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=message):
        define_table(document)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ([("a", TASKS)], "takes a dict"),
        ({"_a": TASKS}, "underscore"),
        ({"1a": TASKS}, "identifier"),
        ({"a": {"text": v.string()}}, "define_table"),
        ({"a": v.any()}, "define_table"),
        ({f"t{number}": TASKS for number in range(10_001)}, "at most 10000"),
    ],
    ids=["list", "_a", "1a", "dict", "any", "many"],
)
def test_wrong_schemas_are_refused(definition: Any, message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=message):
        define_schema(definition)


def test_the_options_of_a_schema_can_be_read_back() -> None:
    schema = define_schema({"tasks": TASKS}, schema_validation=False)
    assert schema.schema_validation is False
    assert schema.tables["tasks"].validator == TASKS.validator
    assert define_schema({}).schema_validation is True


def test_schemas_are_equal_by_content() -> None:
    users = define_table({"name": v.string(), "age": v.number()}).index("a", ["name"]).index("b", ["age"])
    twin = define_table({"age": v.number(), "name": v.string()}).index("b", ["age"]).index("a", ["name"])
    assert define_schema({"users": users, "tasks": TASKS}) == define_schema({"tasks": TASKS, "users": twin})
    assert hash(users) == hash(twin)
    assert users != users.index("c", ["name"])
    assert define_schema({"a": users}) != define_schema({"a": users}, schema_validation=False)
    assert define_schema({"a": users}) != define_schema({"b": users})


@given(schemas())
def test_schemas_travel(schema: SchemaDefinition) -> None:
    assert pickle.loads(pickle.dumps(schema)) == schema
    for table in schema.tables.values():
        with pytest.raises((SchemaValidationError, InvalidValueError)):
            table.validate({"no$such": {1}}, table_name="t")
    assert pickle.loads(pickle.dumps(schema)) == schema


@given(tables().flatmap(lambda table: st.tuples(st.just(table), documents(table))))
def test_a_table_accepts_the_documents_that_fit_it(pair: tuple[TableDefinition, dict[str, Any]]) -> None:
    table, document = pair
    normal = table.validate(document, table_name="t", tables=TABLES)
    assert same_value(table.validate(normal, table_name="t", tables=TABLES), normal)
    assert same_value(table.validator.validate(document, tables=TABLES), normal)
    if not converts(table.validator):
        assert same_value(normal, document)


@given(
    tables().flatmap(lambda table: st.tuples(st.just(table), documents(table))), st.sampled_from(["_id", "_x", "a b"])
)
def test_no_table_accepts_a_reserved_field(pair: tuple[TableDefinition, dict[str, Any]], name: str) -> None:
    table, document = pair
    with pytest.raises((SchemaValidationError, InvalidValueError)):
        table.validate({**document, name: 1}, table_name="t", tables=TABLES)


def test_the_error_of_a_document_names_its_table() -> None:
    with pytest.raises(SchemaValidationError) as found:
        TASKS.validate({"text": "a", "done": 1}, table_name="tasks")
    assert str(found.value) == (
        'Failed to insert or update a document in table "tasks" because it does not match the schema: '
        "Value does not match validator.\nPath: .done\nValue: 1\nValidator: v.boolean()"
    )
    assert (found.value.table, found.value.path, found.value.value) == ("tasks", ".done", 1)
    stored = found.value.of_stored("tasks", "j57")
    assert str(stored).startswith('Document with ID "j57" in table "tasks" does not match the schema: Value does not')
    assert stored.document_id == "j57"


def _nested(levels: int) -> tuple[Validator, Any]:
    validator: Validator = v.null()
    value: Any = None
    for _ in range(levels):
        validator, value = v.array(validator), [value]
    return validator, value


def _nested_any(levels: int) -> Any:
    return _nested(levels)[1]


ANYTHING = define_table({"a": v.any()})
OPEN = define_table(v.any())
LIMITS: list[tuple[TableDefinition, dict[str, Any], str | None]] = [
    (define_table({"a": _nested(15)[0]}), {"a": _nested(15)[1]}, None),
    (define_table({"a": _nested(16)[0]}), {"a": _nested(16)[1]}, "16 levels"),
    (ANYTHING, {"a": _nested_any(15)}, None),
    (ANYTHING, {"a": _nested_any(16)}, "16 levels"),
    (ANYTHING, {"a": {"b": _nested_any(15)}}, "16 levels"),
    (OPEN, {"a": _nested_any(15)}, None),
    (OPEN, {"a": _nested_any(16)}, "16 levels"),
    (define_table({"a": v.array(v.array(v.any()))}), {"a": [[_nested_any(13)]]}, None),
    (define_table({"a": v.array(v.array(v.any()))}), {"a": [[_nested_any(14)]]}, "16 levels"),
    (define_table({"a": v.array(v.number())}), {"a": [0.5] * 8192}, None),
    (define_table({"a": v.array(v.number())}), {"a": [0.5] * 8193}, "8193 elements"),
    (ANYTHING, {"a": [0.5] * 8193}, "8193 elements"),
    (OPEN, {"a": [0.5] * 8193}, "8193 elements"),
    (define_table({"a": v.string()}), {"a": "x" * (2**20 - 6)}, None),
    (define_table({"a": v.string()}), {"a": "x" * (2**20 - 5)}, "1048577 bytes"),
    (define_table({"a": v.optional(v.string())}), {"a": "x" * 2**20}, "bytes"),
    (define_table({"a": v.nullable(v.string())}), {"a": "é" * 2**19}, "bytes"),
    (define_table({"a": v.string(), "b": v.string()}), {"a": "x" * 2**19, "b": "y" * 2**19}, "bytes"),
    (define_table({"a": v.string(), "b": v.array(v.null())}), {"a": "é" * 2**19, "b": []}, "bytes"),
    (define_table({"a": v.bytes()}), {"a": bytes(2**20)}, "`a` \\(1048578 bytes\\)"),
    (define_table(v.union(v.object({"a": v.string()}), v.object({}))), {"a": "x" * 2**20}, "bytes"),
    (ANYTHING, {"a": ["x" * 2**19, "x" * 2**19]}, "bytes"),
    (OPEN, {"a": "x" * 2**20}, "bytes"),
    (OPEN, {"x" * 64: 1}, None),
    (OPEN, {"x" * 65: 1}, "65 characters"),
    (OPEN, {"a": {"x" * 1024: 1}}, None),
    (OPEN, {"a": {"x" * 1025: 1}}, "1025 characters"),
    (OPEN, {"a": {"_b": 1}}, None),
    (OPEN, {"_b": 1}, "underscore"),
    (OPEN, {f"f{number}": 1 for number in range(1024)}, None),
    (OPEN, {f"f{number}": 1 for number in range(1025)}, "1025 fields"),
]


@pytest.mark.parametrize(("table", "document", "message"), LIMITS, ids=[str(row[2]) for row in LIMITS])
def test_the_limits_of_stored_documents(table: TableDefinition, document: dict[str, Any], message: str | None) -> None:
    if message is None:
        assert same_value(table.validate(document, table_name="t"), document)
        assert size_of(document) <= 2**20
    else:
        with pytest.raises((SchemaValidationError, InvalidValueError), match=message):
            table.validate(document, table_name="t")


@pytest.mark.parametrize("document", [[], None, "a", 5])
@pytest.mark.parametrize("table", [TASKS, OPEN])
def test_documents_are_objects(table: TableDefinition, document: Any) -> None:
    with pytest.raises((SchemaValidationError, InvalidValueError)):
        table.validate(document, table_name="t")


def test_int64_fields_are_converted_on_the_way() -> None:
    table = define_table({"n": v.int64(), "rest": v.array(v.record(v.string(), v.int64()))})
    normal = table.validate({"n": 5, "rest": [{"a": 1}]}, table_name="t")
    assert same_value(normal, {"n": Int64(5), "rest": [{"a": Int64(1)}]})
