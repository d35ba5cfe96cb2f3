from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, validate

from convex_nb import Int64, to_json
from tests.deployment.description.app import open_app


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    with open_app() as dep:
        return dep.openapi()


def schema_of_request(document: dict[str, Any], address: str) -> OAS30Validator:
    operation = document["paths"][address]["post"]
    return OAS30Validator(operation["requestBody"]["content"]["application/json"]["schema"])


def test_it_is_an_openapi_document(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV30SpecValidator)
    assert json.loads(json.dumps(document)) == document
    assert document["openapi"] == "3.0.3"


def test_there_is_a_path_for_each_public_function(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == [
        "/api/run/admin/tools-2/import",
        "/api/run/messages/recent",
        "/api/run/messages/send",
        "/api/run/ping/default",
    ]
    recent = document["paths"]["/api/run/messages/recent"]["post"]
    assert recent["description"].startswith('The newest messages of "everybody"')
    success = recent["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"][0]
    assert success["properties"]["value"]["items"]["required"] == ["body", "seen"]


@pytest.mark.parametrize(
    ("address", "body", "fits"),
    [
        ("messages/send", {"args": {"body": "hello"}}, True),
        ("messages/send", {"args": {"body": "hello", "seen": to_json(Int64(3)), "tags": {"a": 1.5}}}, True),
        ("messages/send", {"args": {"body": "hello", "seen": 3}}, False),
        ("messages/send", {"args": {"body": "hello", "tags": {"a": "x"}}}, False),
        ("messages/send", {"args": {}}, False),
        ("messages/send", {}, False),
        ("messages/send", {"args": {"body": "hello", "more": 1}}, False),
        ("admin/tools-2/import", {"args": {"from": "here", "raw": to_json(b"x")}}, True),
        ("admin/tools-2/import", {"args": {"from": "here", "raw": "x"}}, False),
        ("ping/default", {}, True),
        ("ping/default", {"args": {"anything": [1, 2]}, "format": "json"}, True),
    ],
)
def test_requests_that_fit_are_those_that_functions_take(
    document: dict[str, Any], address: str, body: dict[str, Any], fits: bool
) -> None:
    assert schema_of_request(document, f"/api/run/{address}").is_valid(body) == fits
