from __future__ import annotations

from typing import Any

import httpx
from openapi_spec_validator import OpenAPIV30SpecValidator, validate

from convex_nb import Deployment, Int64
from convex_nb.server.server import Server


def ask(server: Server, path: str, body: Any = None, key: str | None = None, **parameters: Any) -> httpx.Response:
    headers = {"Authorization": f"Convex {server.admin_key if key is None else key}"}
    method = "GET" if body is None else "POST"
    return httpx.request(
        method, f"{server.url}{path}", params=parameters or None, headers=headers, json=body, timeout=30
    )


def test_only_the_administrator_gets_in(server: Server) -> None:
    refusals = [
        ({}, 401, "AdminKeyRequired"),
        ({"Authorization": "Convex memory|1234"}, 401, "BadAdminKey"),
        ({"Authorization": "Convex"}, 400, "InvalidAuthHeader"),
    ]
    for path in ("list_snapshot", "document_deltas?cursor=0", "json_schemas", "v1/list_environment_variables"):
        for header, status, code in refusals:
            answer = httpx.get(f"{server.url}/api/{path}", headers=header)
            assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_copy_that_follows_the_feed_is_the_same_in_the_end(app: Deployment, server: Server) -> None:
    with app.transaction() as db:
        for n in range(3000):
            db.insert("numbers", {"n": n})
        gone = db.insert("messages", {"author": "Ada", "body": "gone"})
    copy: dict[str, Any] = {}
    page = ask(server, "/api/list_snapshot").json()
    assert page["hasMore"]
    # What is written meanwhile is not in it.
    with app.transaction() as db:
        db.delete(gone)
        db.insert("messages", {"author": "Bob", "body": "later"})
    while True:
        copy |= {each["_id"]: each for each in page["values"]}
        if not page["hasMore"]:
            break
        page = ask(server, "/api/list_snapshot", snapshot=page["snapshot"], cursor=page["cursor"]).json()
    assert len(copy) == 3001
    assert gone in copy
    deltas = ask(server, "/api/document_deltas", cursor=page["snapshot"]).json()
    assert [(each["_table"], each.get("_deleted", False)) for each in deltas["values"]] == [
        ("messages", True),
        ("messages", False),
    ]
    assert deltas["values"][0] == {"_id": gone, "_table": "messages", "_ts": deltas["cursor"], "_deleted": True}
    for each in deltas["values"]:
        if each.get("_deleted"):
            del copy[each["_id"]]
        else:
            copy[each["_id"]] = each
    assert {each["body"] for each in copy.values() if each["_table"] == "messages"} == {"later"}
    assert {each["n"] for each in copy.values() if each["_table"] == "numbers"} == set(range(3000))
    assert ask(server, "/api/document_deltas", cursor=deltas["cursor"]).json() == {
        "values": [],
        "hasMore": False,
        "cursor": deltas["cursor"],
    }


def test_values_are_sent_as_exports_write_them(app: Deployment, server: Server) -> None:
    with app.transaction() as db:
        db.insert("odd", {"i": Int64(2**60), "b": b"\x00\x01", "nan": float("nan"), "n": 5})
    (value,) = ask(server, "/api/list_snapshot", tableName="odd").json()["values"]
    assert {name: value[name] for name in ("i", "b", "nan", "n", "_ts", "_table")} == {
        "i": str(2**60),
        "b": "AAE=",
        "nan": "NaN",
        "n": 5.0,
        "_ts": app.timestamp,
        "_table": "odd",
    }
    schemas = ask(server, "/api/json_schemas", deltaSchema="true").json()
    assert schemas["odd"]["properties"]["i"]["type"] == "string"
    assert "_deleted" in schemas["messages"]["properties"]
    assert "_deleted" not in ask(server, "/api/json_schemas").json()["messages"]["properties"]


def test_what_makes_no_sense_is_refused(server: Server) -> None:
    for path, code, said in (
        ("list_snapshot?snapshot=abc", "BadQueryParameters", "`snapshot` is a timestamp"),
        ("list_snapshot?snapshot=1", "TimestampTooOld", "1"),
        ("list_snapshot?cursor=abc", "InvalidCursor", "no cursor"),
        ("list_snapshot?table=messages", "BadQueryParameters", "tableName"),
        ("list_snapshot?format=xml", "BadQueryParameters", "`format` is json"),
        ("document_deltas", "BadQueryParameters", "`cursor` is missing"),
        ("document_deltas?cursor=-1", "BadQueryParameters", "`cursor` is a timestamp"),
        ("json_schemas?deltaSchema=yes", "BadQueryParameters", "true or false"),
    ):
        answer = ask(server, f"/api/{path}")
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert said in answer.json()["message"]


def test_the_environment_is_read_and_changed(app: Deployment, server: Server) -> None:
    app.env.update(OLD="1", KEPT="2")
    changes = [{"name": "OLD", "value": None}, {"name": "NEW", "value": "3"}, {"name": "NEVER"}]
    assert ask(server, "/api/v1/update_environment_variables", {"changes": changes}).json() == {}
    answer = ask(server, "/api/v1/list_environment_variables").json()
    assert answer == {"environmentVariables": {"KEPT": "2", "NEW": "3"}} == {"environmentVariables": dict(app.env)}
    refused = ask(
        server,
        "/api/v1/update_environment_variables",
        {"changes": [{"name": "KEPT"}, {"name": "GOOD", "value": "1"}, {"name": "2BAD", "value": "x"}]},
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "BadRequest")
    assert dict(app.env) == {"KEPT": "2", "NEW": "3"}
    assert ask(server, "/api/v1/update_environment_variables", {"changes": [{}]}).json()["code"] == "BadJsonBody"
    unknown = ask(server, "/api/v1/update_environment_variables", {"changes": []}, key="no")
    assert unknown.status_code == 401


def test_anybody_is_told_what_public_functions_there_are(server: Server) -> None:
    document = httpx.get(f"{server.url}/openapi.json").json()
    validate(document, cls=OpenAPIV30SpecValidator)
    assert document["servers"][0]["variables"]["hostUrl"]["default"] == server.url
    assert "secret" not in str(list(document["paths"]))
    address = "/api/run/counter/add"
    assert address in document["paths"]
    assert httpx.post(f"{server.url}{address}", json={"args": {"by": 2}}).json()["value"] == 2
