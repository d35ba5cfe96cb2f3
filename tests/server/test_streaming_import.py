"""The endpoints of connectors, asked as Airbyte's destination asks them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from convex_nb import Deployment
from convex_nb.server.server import Server


def ask(server: Server, method: str, name: str, body: Any) -> httpx.Response:
    headers = {"Authorization": f"Convex {server.admin_key}", "Convex-Client": "streaming-import-0.1.0"}
    return httpx.request(method, f"{server.url}/api/streaming_import/{name}", headers=headers, json=body, timeout=30)


def records(table: str, *data: Any) -> list[dict[str, Any]]:
    return [{"tableName": table, "data": each} for each in data]


def test_a_sync(app: Deployment, server: Server) -> None:
    key = {"indexes": {"users": [["id"], ["place", "code"]]}}
    assert ask(server, "PUT", "add_primary_key_indexes", key).status_code == 200
    assert ask(server, "GET", "primary_key_indexes_ready", {"tables": ["users"]}).json() == {"indexesReady": True}
    tables = {"users": {"primaryKey": [["id"], ["place", "code"]], "jsonSchema": {}}, "events": {"jsonSchema": {}}}
    one, two = {"id": 1, "place": {"code": "x"}}, {"id": 1, "place": {"code": "y"}}
    messages = [*records("users", one, two), *records("events", {"n": 1}), *records("users", {**one, "name": "Ada"})]
    for _ in range(2):
        answer = ask(server, "POST", "import_airbyte_records", {"tables": tables, "messages": messages})
        assert answer.status_code == 200
    assert [each.get("name") for each in app.transact(lambda db: db.query("users").collect())] == ["Ada", None]
    assert app.table("events").count() == 2
    assert ask(server, "PUT", "clear_tables", {"tableNames": ["users", "events", "nowhere"]}).status_code == 200
    assert {name: table.count() for name, table in app.tables.items() if name in ("users", "events")} == {
        "users": 0,
        "events": 0,
    }


@pytest.mark.parametrize(
    ("method", "name", "body", "message"),
    [
        ("POST", "replace_tables", {}, "clear_tables"),
        ("POST", "import_airbyte_records", {"tables": {}, "messages": records("t", {})}, "'t', which `tables` lacks"),
        ("POST", "import_airbyte_records", {"tables": {"_t": {}}, "messages": []}, "'_t' is the name of one"),
        ("POST", "import_airbyte_records", {"tables": {}}, "missing required field `messages`"),
        (
            "POST",
            "import_airbyte_records",
            {
                "tables": {"counters": {}, "numbers": {}},
                "messages": records("counters", {"name": "c", "value": 1}) + records("numbers", {"n": "x"}),
            },
            "It is record 0 of 1 for 'numbers': none was imported.",
        ),
        ("PUT", "add_primary_key_indexes", {"indexes": {"t": [["_id"]]}}, "'_id' is a system field"),
        ("PUT", "clear_tables", {"tableNames": ["_storage"]}, "is the name of one"),
        ("GET", "primary_key_indexes_ready", {}, "missing required field `tables`"),
    ],
)
def test_what_is_refused(app: Deployment, server: Server, method: str, name: str, body: Any, message: str) -> None:
    answer = ask(server, method, name, body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert (app.table("counters").count(), app.table("numbers").count()) == (0, 0)


def test_only_the_administrator_gets_in(server: Server) -> None:
    answer = httpx.put(f"{server.url}/api/streaming_import/clear_tables", json={"tableNames": []})
    assert (answer.status_code, answer.json()["code"]) == (401, "AdminKeyRequired")
