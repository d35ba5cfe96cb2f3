from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from convex_nb import Deployment, Int64, to_plain_json
from tests.deployment.description.app import open_app


def fill(dep: Deployment) -> str:
    """One document in each table, one of them in a table without a schema; one more that is gone again."""
    with dep.transaction() as db:
        person = db.insert("users", {"kind": "person", "name": "Ada"})
        message = {"author": person, "body": "hello", "mood": None, "seen": Int64(5), "place": {"x": 0.5, "y": -1.0}}
        db.insert("messages", message)
        db.insert("anything", {"a": [1, None]})
        db.insert("loose", {"n": 1, "tags": ["a"], "raw": b"\xff"})
        gone = db.insert("loose", {"n": 2, "tags": []})
    with dep.transaction() as db:
        db.delete(gone)
    return gone


def as_sent(value: dict[str, Any]) -> dict[str, Any]:
    plain: Any = to_plain_json({name: each for name, each in value.items() if name not in ("_ts", "_table")})
    return dict(plain)


@pytest.mark.parametrize("delta", [False, True])
def test_what_the_feed_sends_fits_what_is_said_of_it(delta: bool) -> None:
    with open_app() as dep:
        since = dep.timestamp
        gone = fill(dep)
        schemas = dep.json_schemas(delta=delta)
        values = dep.document_deltas(since)["values"] if delta else dep.list_snapshot()["values"]
    assert list(schemas) == ["anything", "loose", "messages", "users"]
    seen = set()
    for value in values:
        plain = as_sent(value) | ({"_ts": value["_ts"], "_table": value["_table"]} if delta else {})
        schema = schemas[value["_table"]]
        Draft202012Validator.check_schema(schema)
        if delta and value["_id"] == gone:
            # It was there, with a number, and then it was not.
            seen.add(value.get("_deleted", False))
        Draft202012Validator(schema).validate(plain)
    assert seen == ({False, True} if delta else set())


def test_what_does_not_fit_does_not() -> None:
    with open_app() as dep:
        fill(dep)
        schema = Draft202012Validator(dep.json_schemas()["messages"])
        (message,) = dep.list_snapshot(table_name="messages")["values"]
    plain = as_sent(message)
    assert schema.is_valid(plain)
    for wrong in ({"body": 5}, {"more": 1}, {"mood": "indifferent"}, {"place": {"x": 1}}, {"_id": 7}):
        assert not schema.is_valid({**plain, **wrong})
    assert not schema.is_valid({name: value for name, value in plain.items() if name != "body"})
