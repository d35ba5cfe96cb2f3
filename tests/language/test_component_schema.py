"""One schema of an application and its components."""

from __future__ import annotations

import json
from typing import Any

import pytest

from convex_nb import SchemaDefinitionError, define_schema, define_table, v
from convex_nb.language.component_schema import combined, part_of, parts_of, with_tables
from convex_nb.language.qualified_names import component_of, local_name, qualified
from convex_nb.language.schema_json import schema_from_json, schema_to_json
from convex_nb.language.validators import Validator

APP = define_schema({"notes": define_table({"text": v.string(), "by": v.id("notes")})}, schema_validation=False)
INNER = define_schema({"counts": define_table({"of": v.id("counts")}).index("by_of", ["of"])})


def test_names() -> None:
    for component, name in (("", "t"), ("a", "t"), ("a/b", "_storage"), ("a", "lib/x:f")):
        whole = qualified(component, name)
        assert (component_of(whole), local_name(whole)) == (component, name)


@pytest.mark.parametrize(
    "validator",
    [
        v.id("t"),
        v.array(v.id("t")),
        v.optional(v.id("t")),
        v.record(v.id("t"), v.id("t")),
        v.union(v.id("t"), v.null(), v.string()),
        v.object({"a": v.optional(v.array(v.id("t"))), "b": v.literal(1)}),
    ],
)
def test_ids_are_of_the_tables_of_the_component(validator: Validator) -> None:
    inside = with_tables(validator, lambda name: qualified("a", name))
    assert inside.to_code() == validator.to_code().replace('v.id("t")', 'v.id("a//t")')
    assert with_tables(inside, local_name) == validator


def test_each_has_its_part() -> None:
    whole = combined(APP, {"a": INNER, "a/b": INNER, "c": None})
    assert whole is not None
    assert whole.tables.keys() == {"notes", "a//counts", "a/b//counts"}
    assert (part_of(whole), parts_of(whole)) == (APP, {"a": INNER, "a/b": INNER})
    assert part_of(whole, "c") is None
    assert schema_from_json(json.loads(json.dumps(schema_to_json(whole)))) == whole
    assert [whole.validates(name) for name in whole.tables] == [False, True, True]


def test_no_schema_is_not_an_empty_one() -> None:
    whole = combined(None, {"a": INNER})
    assert (part_of(whole), part_of(whole, "a")) == (None, INNER)
    assert combined(None, {}) is None
    unchecked: Any = define_schema(dict(INNER.tables), schema_validation=False)
    part = part_of(combined(None, {"a": unchecked}), "a")
    assert part is not None
    assert part.tables["counts"].validator == v.any()
    assert part.tables["counts"].indexes == INNER.tables["counts"].indexes


def test_nobody_can_name_a_table_so() -> None:
    with pytest.raises(SchemaDefinitionError):
        define_schema({"a//counts": define_table({})})
