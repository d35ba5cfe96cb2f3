"""Indexes over fields that documents can have."""

from __future__ import annotations

import pytest
from hypothesis import given

from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.schema import SchemaDefinition, TableDefinition, define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.testing.strategies import schemas

TABLE = define_table(
    {
        "text": v.string(),
        "owner": v.optional(v.nullable(v.object({"name": v.string(), "age": v.number()}))),
        "labels": v.record(v.string(), v.object({"at": v.number()})),
        "rest": v.any(),
        "vector": v.optional(v.array(v.float64())),
        "kind": v.union(v.literal("a"), v.literal("b")),
    }
)
UNION = define_table(v.union(v.object({"a": v.string()}), v.object({"b": v.number()})))

GOOD = [
    TABLE.index("i", ["text", "owner.name", "owner", "labels.any.at", "labels.any", "rest", "rest.deep.down"]),
    TABLE.search_index("i", search_field="text", filter_fields=["owner.age"]),
    TABLE.search_index("i", search_field="owner.name"),
    TABLE.search_index("i", search_field="kind"),
    TABLE.search_index("i", search_field="rest.text"),
    TABLE.vector_index("i", vector_field="vector", dimensions=4, filter_fields=["kind"]),
    TABLE.vector_index("i", vector_field="rest.vector", dimensions=4),
    UNION.index("i", ["a", "b"]),
    UNION.search_index("i", search_field="a", filter_fields=["b"]),
    define_table(v.any()).index("i", ["whatever.there.is"]),
]


@pytest.mark.parametrize("table", GOOD)
def test_indexes_over_what_there_may_be(table: TableDefinition) -> None:
    assert define_schema({"t": table}).tables["t"] == table


BAD = [
    (TABLE.index("i", ["txet"]), "`txet`, which no document"),
    (TABLE.index("i", ["text", "owner.nmae"]), "`owner.nmae`, which no document"),
    (TABLE.index("i", ["text.deep"]), "`text.deep`, which no document"),
    (TABLE.index("i", ["labels.any.to"]), "`labels.any.to`, which no document"),
    (TABLE.index("i", ["vector.0"]), "`vector.0`, which no document"),
    (UNION.index("i", ["c"]), "`c`, which no document"),
    (TABLE.search_index("i", search_field="txet"), "`txet`, which no document"),
    (TABLE.search_index("i", search_field="text", filter_fields=["txet"]), "`txet`, which no document"),
    (TABLE.search_index("i", search_field="owner.age"), "`owner.age` is not a string"),
    (TABLE.search_index("i", search_field="vector"), "`vector` is not a string"),
    (TABLE.vector_index("i", vector_field="text", dimensions=4), "`text` is not an array of numbers"),
    (TABLE.vector_index("i", vector_field="vectors", dimensions=4), "`vectors`, which no document"),
]


@pytest.mark.parametrize(("table", "reason"), BAD)
def test_indexes_over_what_there_cannot_be(table: TableDefinition, reason: str) -> None:
    with pytest.raises(SchemaDefinitionError, match='In table "t" the index "i" is invalid because') as found:
        define_schema({"t": table})
    assert reason in str(found.value)
    assert (found.value.table, found.value.index) == ("t", "i")
    assert define_schema({"t": table}, schema_validation=False).tables["t"] == table


@given(schemas())
def test_any_schema_of_the_test_kit_passes(schema: SchemaDefinition) -> None:
    assert define_schema(schema.tables) is not None
