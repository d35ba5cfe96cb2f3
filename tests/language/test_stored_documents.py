"""Documents that are stored already, against the table that a push gives them."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.language.schema import define_table
from convex_nb.language.stored_documents import refusal_of_all, refusals
from convex_nb.language.validators import v
from convex_nb.language.value_types import Int64

CASES: list[tuple[Any, Any, str | None]] = [
    (v.int64(), Int64(5), None),
    (v.int64(), 5, ".a"),
    (v.nullable(v.int64()), 5, ".a"),
    (v.nullable(v.int64()), None, None),
    (v.literal(Int64(1)), 1, ".a"),
    (v.literal(1), 1.0, None),
    (v.array(v.int64()), [Int64(1), 2], ".a[1]"),
    (v.record(v.string(), v.int64()), {"x": 1}, ".a.x"),
    (v.object({"x": v.optional(v.int64())}), {}, None),
    (v.object({"x": v.optional(v.int64())}), {"x": 1}, ".a.x"),
    (v.union(v.int64(), v.number()), 5, None),
    # The first member would have converted it; the second has it as it is.
    (v.union(v.object({"x": v.int64()}), v.object({"x": v.number()})), {"x": 1}, None),
    (v.union(v.object({"x": v.int64()}), v.object({"y": v.number()})), {"x": 1}, ".a.x"),
    (v.string(), 5, ".a"),
]


@pytest.mark.parametrize(("validator", "stored", "path"), CASES)
def test_nothing_is_converted(validator: Any, stored: Any, path: str | None) -> None:
    found = list(refusals([{"_id": "j57", "_creationTime": 1.0, "a": stored}], define_table({"a": validator}), "t"))
    assert [error.path for error in found] == ([] if path is None else [path])
    for error in found:
        assert (error.table, error.document_id) == ("t", "j57")


@pytest.mark.parametrize(("count", "listed", "more"), [(0, 0, False), (1, 1, False), (10, 10, False), (11, 10, True)])
def test_ten_are_listed(count: int, listed: int, more: bool) -> None:
    documents = [{"_id": f"j{number}", "_creationTime": 1.0, "a": number} for number in range(count)]
    error = refusal_of_all(refusals(documents, define_table({"a": v.string()}), "t"))
    if error is None:
        assert not count
        return
    assert error.document_ids == tuple(f"j{number}" for number in range(listed))
    assert sum("Value does not match validator." in note for note in error.__notes__) == listed
    assert any("and more" in note for note in error.__notes__) is more
