from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, validate

import convex_nb
from convex_nb import (
    ActionCtx,
    Int64,
    Request,
    Response,
    components,
    define_component,
    http_router,
    to_json,
)
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


def test_there_is_a_path_for_each_public_function_and_http_action(document: dict[str, Any]) -> None:
    assert list(document["paths"]) == [
        "/api/run/admin/tools-2/import",
        "/api/run/messages/recent",
        "/api/run/messages/send",
        "/api/run/ping/default",
        "/http/hook",
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


def test_http_actions_have_their_paths_methods_and_docstrings() -> None:
    def answer(ctx: ActionCtx, request: Request) -> Response:
        """Take what was posted.

        All of it.
        """
        return Response()

    inbox, http = define_component("inbox"), http_router()
    inbox.http.route("/new", method="PUT", handler=answer)
    http.mount("/in/", components.inbox)
    for method in ("GET", "POST"):
        http.route("/hook", method=method, handler=answer)
    http.route(prefix="/files/", method="DELETE", handler=answer)
    http.route("/files/{id}", method="PATCH", handler=answer)
    with convex_nb.open() as dep:
        dep.push(components=[inbox], http=http)
        described = dep.openapi()
    validate(described, cls=OpenAPIV30SpecValidator)
    paths = described["paths"]
    assert {address: list(methods) for address, methods in paths.items()} == {
        "/http/files/{path}": ["delete"],
        "/http/files/%7Bid%7D": ["patch"],
        "/http/hook": ["get", "post"],
        "/http/in/new": ["put"],
    }
    hook = paths["/http/hook"]
    assert (hook["get"]["summary"], hook["get"]["description"]) == ("HTTP action GET /hook", inspect.getdoc(answer))
    assert ["requestBody" in hook[method] for method in hook] == [False, True]
    assert [each["name"] for each in paths["/http/files/{path}"]["delete"]["parameters"]] == ["path"]
