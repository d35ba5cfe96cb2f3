from __future__ import annotations

from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator

from convex_nb import v
from convex_nb.deployment.description.schemas_of_openapi import dialect
from convex_nb.language.validator_json import json_schema

VALUES: list[Any] = [None, True, 0, 1, 2.5, "a", "b", [], [None], {}, {"n": None}, {"n": 1}, {"n": "a"}]


@pytest.mark.parametrize(
    ("validator", "fits"),
    [
        (v.null(), [None]),
        (v.nullable(v.string()), [None, "a", "b"]),
        (v.nullable(v.literal("a")), [None, "a"]),
        (v.union(v.literal("a"), v.literal("b")), ["a", "b"]),
        (v.union(v.literal("a"), v.null()), [None, "a"]),
        (v.union(v.string(), v.number(), v.null()), [None, 0, 1, 2.5, "a", "b"]),
        (v.array(v.null()), [[], [None]]),
        (v.object({"n": v.nullable(v.number())}), [{"n": None}, {"n": 1}]),
        (v.record(v.string(), v.string()), [{}, {"n": "a"}]),
        (v.literal(True), [True]),
        (v.union(), []),
        (v.any(), VALUES),
    ],
)
def test_the_same_values_fit(validator: Any, fits: list[Any]) -> None:
    schema = dialect(json_schema(validator))
    assert [value for value in VALUES if OAS30Validator(schema).is_valid(value)] == fits
