"""Rows of a filter: what they mean in the database, and as a cell."""

from __future__ import annotations

from typing import Any

import pytest

import convex_nb
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.values import UNDEFINED, Int64
from convex_nb.views.dashboard.conditions import Condition, code_of, select

DOCUMENTS: list[dict[str, Any]] = [
    {"name": "Ada", "age": 36, "at": {"city": "London"}},
    {"name": "5", "age": 5.5, "tags": []},
    {"name": None, "age": Int64(5)},
    {"age": "old"},
    {"name": True},
]
CASES = [
    ([("name", "eq", "Ada")], [0]),
    ([("name", "eq", '"5"')], [1]),
    ([("name", "eq", "5")], []),
    ([("name", "eq", "null")], [2]),
    ([("name", "eq", "missing")], [3]),
    ([("name", "neq", "Ada"), ("age", "gt", "5")], [1, 3]),
    ([("at", "eq", '{"city": "London"}')], [0]),
    ([("at.city", "eq", "London")], [0]),
    ([("age", "type", "number")], [0, 1]),
    ([("age", "type", "int64")], [2]),
    ([("name", "type", "missing")], [3]),
    ([("name", "nottype", "string"), ("age", "nottype", "missing")], [2, 3]),
    ([("tags", "type", "array")], [1]),
    ([("_creationTime", "gt", "2000-01-01")], [0, 1, 2, 3, 4]),
    ([("_creationTime", "lte", "2000-01-01T10:00:00+02:00")], []),
]


@pytest.mark.parametrize(("written", "expected"), CASES, ids=[str(case[0]) for case in CASES])
def test_conditions_select_documents_and_so_does_their_cell(
    written: list[tuple[str, str, str]], expected: list[int]
) -> None:
    conditions = [Condition(*each) for each in written]
    sent = [[each.field, each.operator, *([] if each.value() is UNDEFINED else [each.value()])] for each in conditions]
    with convex_nb.open() as deployment:
        ids = deployment.transact(lambda db: [db.insert("people", dict(each)) for each in DOCUMENTS])
        found = deployment.transact(lambda db: [each["_id"] for each in select(db, "people", sent, 100)])
        assert [ids.index(id) for id in reversed(found)] == expected
        assert (
            deployment.transact(lambda db: select(db, "people", sent, 1))[:1]
            == deployment.transact(lambda db: select(db, "people", sent, 100))[:1]
        )
        magic, _, body = code_of("people", conditions).partition("\n")
        assert magic == "%%convex_query"
        *imports, expression = body.partition("(\n")[0], body[body.index("(\n") :]

        def as_cell(db: Any) -> Any:
            names: dict[str, Any] = {"db": db}
            exec("".join(imports), names)
            return [each["_id"] for each in eval(expression, names)]

        assert deployment.transact(as_cell) == found


def test_a_type_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="'text' is no type; write one of string, id, number"):
        Condition("name", "type", "text").value()
