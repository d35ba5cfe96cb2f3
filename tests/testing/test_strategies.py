"""The strategies reach the corners that they promise, and make what they say they make."""

from __future__ import annotations

from collections.abc import Callable
from math import copysign
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings, strategies as st

import convex_nb.testing
from convex_nb.language.document_validation import to_document_fields
from convex_nb.language.ids import decode_id
from convex_nb.language.ordering import same_value
from convex_nb.language.schema import SchemaDefinition, TableDefinition, define_schema
from convex_nb.language.validators import ObjectValidator, UnionValidator, Validator
from convex_nb.language.values import INT64_LEAST, INT64_MOST, NUMBER_MOST, Int64, to_value
from convex_nb.testing.strategies import (
    TABLES,
    atoms,
    documents,
    fitting,
    ids,
    keys,
    names,
    schemas,
    tables,
    validators,
    values,
)


def test_the_module_is_loaded_when_it_is_asked_for() -> None:
    assert convex_nb.testing.strategies.values is values
    assert "strategies" in dir(convex_nb.testing)
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = convex_nb.testing.nothing_such


SEARCH = settings(max_examples=20_000, database=None, phases=[Phase.generate])
ATOMS: list[Callable[[Any], bool]] = [
    lambda value: type(value) is float and value == 0 and copysign(1, value) < 0,
    lambda value: value != value,
    lambda value: value == float("inf"),
    lambda value: type(value) is int and value == NUMBER_MOST,
    lambda value: type(value) is Int64 and value == INT64_LEAST,
    lambda value: type(value) is Int64 and value == INT64_MOST,
    lambda value: value == "",
    lambda value: isinstance(value, str) and "\x00" in value,
    lambda value: isinstance(value, str) and any(character > "\uffff" for character in value),
    lambda value: value == b"",
    lambda value: value is True,
    lambda value: value is None,
]
CONTAINERS: list[Callable[[Any], bool]] = [
    lambda value: value == [],
    lambda value: value == {},
    lambda value: isinstance(value, dict) and any(isinstance(item, list) for item in value.values()),
]
CORNERS = [(atoms(), corner) for corner in ATOMS] + [(values(), corner) for corner in CONTAINERS]


@pytest.mark.parametrize(("strategy", "corner"), CORNERS)
def test_every_corner_is_reached(strategy: st.SearchStrategy[Any], corner: Callable[[Any], bool]) -> None:
    find(strategy, corner, settings=SEARCH)


@given(values())
def test_values_are_normalised(value: Any) -> None:
    assert same_value(to_value(value), value)


@given(keys(), names())
def test_keys_and_names_are_allowed(key: str, name: str) -> None:
    assert to_value({key: None}) == {key: None}
    assert to_document_fields({name: None}) == {name: None}


@given(st.sampled_from(list(TABLES.values())).flatmap(lambda table: st.tuples(st.just(table), ids(table))))
def test_ids_belong_to_their_table(pair: tuple[str, str]) -> None:
    table, document_id = pair
    assert TABLES[decode_id(document_id)[0]] == table


@given(validators().flatmap(lambda validator: st.tuples(st.just(validator), fitting(validator))))
def test_what_fits_is_accepted(pair: tuple[Validator, Any]) -> None:
    validator, value = pair
    validator.validate(value, tables=TABLES)


@given(tables().flatmap(lambda table: st.tuples(st.just(table), documents(table))))
def test_documents_are_accepted(pair: tuple[TableDefinition, dict[str, Any]]) -> None:
    table, document = pair
    table.validate(document, table_name="t", tables=TABLES)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda table: any("." in path for index in table.indexes for path in index.fields),
        lambda table: any(index.staged for index in table.indexes),
        lambda table: isinstance(table.validator, UnionValidator),
        lambda table: table.validator.kind == "any",
        lambda table: (
            isinstance(table.validator, ObjectValidator)
            and any(field.is_optional for field in table.validator.fields.values())
        ),
    ],
)
def test_every_kind_of_table_is_reached(wanted: Callable[[TableDefinition], bool]) -> None:
    find(tables(), wanted, settings=SEARCH)


@given(schemas())
def test_schemas_are_whole(schema: SchemaDefinition) -> None:
    assert define_schema(schema.tables, schema_validation=schema.schema_validation) == schema
