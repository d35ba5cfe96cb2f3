"""What a deployment does with whole tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import convex_nb
from convex_nb import Deployment, InvalidValueError, define_schema, define_table, v


@pytest.fixture
def dep() -> Iterator[Deployment]:
    with convex_nb.open() as deployment:
        yield deployment


def test_a_schema_is_inferred_and_fits(dep: Deployment) -> None:
    dep.push(define_schema({"people": define_table(v.any()).index("by_age", ["age"])}))
    ada = dep.transact(lambda db: db.insert("people", {"name": "Ada", "age": 36}))
    dep.transact(lambda db: db.insert("people", {"name": "Bob", "age": None, "tags": ["x"]}))
    dep.transact(lambda db: db.insert("notes", {"of": ada, "text": "hello"}))
    inferred = dep.infer_schema()
    people = {"name": v.string(), "age": v.nullable(v.number()), "tags": v.optional(v.array(v.string()))}
    notes = define_table({"of": v.id("people"), "text": v.string()})
    assert inferred == define_schema({"notes": notes, "people": define_table(people).index("by_age", ["age"])})
    assert "v.id" in inferred.to_code()
    dep.push(inferred)
    assert list(dep.infer_schema("notes").tables) == ["notes"]


def test_an_inferred_schema_keeps_what_can_be_searched(dep: Deployment) -> None:
    table = define_table(v.any()).search_index("words", "text", ["n"]).vector_index("near", "vector", 2, staged=True)
    dep.push(define_schema({"notes": table}))
    dep.transact(lambda db: db.insert("notes", {"text": "a", "n": 1, "vector": [1.5, 2.5]}))
    inferred = dep.infer_schema().tables["notes"]
    assert (inferred.search_indexes, inferred.vector_indexes) == (table.search_indexes, table.vector_indexes)
    assert dep.table("notes").searches == {"words": "text of text, by n"}
    assert list(dep.table("notes").staged) == ["near"]


@pytest.mark.parametrize("name", ["nothing", "_storage", ""])
def test_there_has_to_be_a_table_to_infer_from(dep: Deployment, name: str) -> None:
    with pytest.raises(InvalidValueError, match="There is no table"):
        dep.infer_schema(name)
