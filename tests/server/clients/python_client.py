"""The Python client of PyPI: subscriptions, mutations, actions, errors with data."""

from __future__ import annotations

import sys
from typing import Any

from convex import ConvexClient, ConvexError, ConvexInt64
from convex.http_client import ConvexHttpClient

client = ConvexClient(sys.argv[1])
assert client.query("counter:get") == 0
assert client.mutation("counter:add", {"by": 2}) == 2
results = client.subscribe("counter:get")
assert next(results) == 2
assert client.mutation("counter:add", {"by": 3}) == 5
assert next(results) == 5
value: Any = {"big": ConvexInt64(2**62), "bytes": b"\x00\xff", "text": "ä€😀", "list": [1, 2.5, None, True]}
echoed = client.action("act:echo", {"value": value})
assert echoed["big"] == value["big"], echoed
assert echoed["bytes"] == b"\x00\xff"
assert echoed["list"] == [1.0, 2.5, None, True]
for call in (client.query, client.mutation, client.action):
    data = None
    try:
        call(f"fail:{call.__name__}")
    except ConvexError as error:
        data = error.data
    assert data == {"code": 42.0, "why": "no"}
assert client.mutation("messages:send", {"body": "hi"})
assert [each["body"] for each in client.query("messages:list")] == ["hi"]

http = ConvexHttpClient(sys.argv[1])
assert http.query("counter:get") == 5
assert http.mutation("counter:add", {"by": 1}) == 6
assert http.action("act:echo", {"value": value})["bytes"] == b"\x00\xff"
