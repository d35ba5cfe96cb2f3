"""Schemas as code."""

from __future__ import annotations

from typing import Any

from hypothesis import given

from convex_nb.language.schema import SchemaDefinition, TableDefinition, define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import Int64
from convex_nb.testing.strategies import schemas, tables

NAMES: dict[str, Any] = {"v": v, "define_schema": define_schema, "define_table": define_table, "Int64": Int64}


def _run(code: str) -> SchemaDefinition:
    imported, _, body = code.partition("\n\n")
    assert imported.startswith("from convex_nb import ")
    scope = {name: NAMES[name] for name in imported.removeprefix("from convex_nb import ").split(", ")}
    exec(body, scope)
    made = scope["schema"]
    assert isinstance(made, SchemaDefinition)
    return made


@given(schemas())
def test_the_code_makes_an_equal_schema(schema: SchemaDefinition) -> None:
    code = schema.to_code()
    if "nan" not in code:
        assert _run(code) == schema
        assert _run(code).to_code() == code


@given(tables())
def test_the_code_of_a_table_makes_an_equal_table(table: TableDefinition) -> None:
    if "nan" not in table.to_code():
        assert eval(table.to_code(), dict(NAMES)) == table


def test_how_it_looks() -> None:
    schema = define_schema(
        {
            "tasks": define_table({"text": v.string(), "due": v.optional(v.number())})
            .index("by_due", ["due"])
            .index("by_text", ["text", "due"], staged=True)
            .search_index("search", search_field="text", filter_fields=["due"]),
            "events": define_table(
                v.union(
                    v.object({"kind": v.literal("click"), "position": v.object({"x": v.number(), "y": v.number()})}),
                    v.object({"kind": v.literal("count"), "n": v.literal(Int64(1))}),
                )
            ),
            "rest": define_table(v.any()).vector_index("w", vector_field="w", dimensions=8),
        },
        schema_validation=False,
    )
    assert (
        schema.to_code()
        == """\
from convex_nb import Int64, define_schema, define_table, v

schema = define_schema(
    {
        "tasks": define_table({
            "text": v.string(),
            "due": v.optional(v.number()),
        })
        .index("by_due", ["due"])
        .index("by_text", ["text", "due"], staged=True)
        .search_index("search", search_field="text", filter_fields=["due"]),
        "events": define_table(v.union(
            v.object({
                "kind": v.literal("click"),
                "position": v.object({"x": v.number(), "y": v.number()}),
            }),
            v.object({"kind": v.literal("count"), "n": v.literal(Int64(1))}),
        )),
        "rest": define_table(v.any())
        .vector_index("w", vector_field="w", dimensions=8),
    },
    schema_validation=False,
)
"""
    )


def test_an_empty_schema() -> None:
    assert define_schema({}).to_code() == "from convex_nb import define_schema\n\nschema = define_schema(\n    {},\n)\n"
