"""Documents of tables without a schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.document_validation import check_field_names, field_name_fault, to_document_fields
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.limits import Limits
from convex_nb.language.ordering import same_value
from convex_nb.language.values import UNDEFINED, Id, Int64
from convex_nb.testing.strategies import names, values


@given(st.dictionaries(names(), values(max_leaves=4), max_size=4))
def test_any_fields_are_kept_as_they_are(fields: dict[str, Any]) -> None:
    normal = to_document_fields(fields, limits=Limits.notebook())
    assert same_value(normal, fields)
    assert normal is not fields


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("a", None),
        ("A_1", None),
        ("x" * 64, None),
        ("x" * 65, "65 characters"),
        ("_id", "gets its own. Leave it out"),
        ("_creationTime", "gets its own. Leave it out"),
        ("_ids", "underscore"),
        ("_", "underscore"),
        ("1a", "not a field name"),
        ("a-b", "not a field name"),
        ("a b", "not a field name"),
        ("a.b", "not a field name"),
        ("é", "not a field name"),
    ],
)
def test_field_names(name: str, fault: str | None) -> None:
    found = field_name_fault(name)
    assert (found is None) if fault is None else (found is not None and fault in found)
    if fault is None:
        check_field_names({name: 1, "a": 2})
        return
    for _ in range(2):
        with pytest.raises(InvalidValueError, match=fault):
            check_field_names(["a", name])


@pytest.mark.parametrize("fields", [None, 5, "a", [], [("a", 1)], {1, 2}, UNDEFINED])
def test_a_document_is_an_object(fields: Any) -> None:
    with pytest.raises(InvalidValueError):
        to_document_fields(fields)


def test_values_are_normalised() -> None:
    normal = to_document_fields({"a": (1,), "b": UNDEFINED, "c": bytearray(b"x"), "d": Int64(1), "e": Id("x", "t")})
    assert same_value(normal, {"a": [1], "c": b"x", "d": Int64(1), "e": "x"})
