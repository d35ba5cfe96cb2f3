"""Random frames, in random order: each connection ends or goes on by the rules, and no other one notices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from websockets.exceptions import ConnectionClosed

from convex_nb.server.messages import BadMessageError, decode
from convex_nb.server.server import Server
from tests.server.app import open_app
from tests.server.wire import Wire
from tests.until import until

NUMBERS = st.integers(-1, 5) | st.integers() | st.floats() | st.just(2**32)
PLAIN = st.none() | st.booleans() | NUMBERS | st.text(max_size=8)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
PATHS = st.sampled_from(
    ["counter:get", "counter:add", "act:echo", "messages:list", "fail:query", "no:where", "", ":", "a/b"]
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "baseVersion": NUMBERS,
    "newVersion": NUMBERS,
    "queryId": NUMBERS,
    "requestId": NUMBERS,
    "udfPath": PATHS | PLAIN,
    "args": st.just([{}])
    | st.lists(st.dictionaries(st.sampled_from(["by", "value", "$integer"]), JSON, max_size=2))
    | JSON,
    "journal": PLAIN,
    "tokenType": st.sampled_from(["None", "User", "Admin"]) | PLAIN,
    "value": PLAIN,
    "sessionId": PLAIN,
}
KINDS = st.sampled_from(
    ["Connect", "ModifyQuerySet", "Mutation", "Action", "Authenticate", "Event", "Add", "Transition"]
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(KINDS)
    message = {name: draw(value) for name, value in FIELDS.items() if draw(st.integers(0, 9))}
    if kind == "ModifyQuerySet":
        kinds = st.sampled_from(["Add", "Remove"])
        one = st.fixed_dictionaries({"type": kinds, **{name: FIELDS[name] for name in ("queryId", "udfPath", "args")}})
        message["modifications"] = draw(st.lists(one, max_size=3) | JSON)
    return {"type": kind, **message}


FRAMES = messages().map(json.dumps) | JSON.map(json.dumps) | st.text()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with open_app() as app:
        server = app.serve(port=0)
        assert isinstance(server, Server)
        yield server
        app.check()
        app.settle()
        # The server hears of the last client's end a moment after the client does.
        until(lambda: app.statistics().reactor.queries == 0)


@given(FRAMES)
@settings(max_examples=300)
def test_a_frame_is_a_message_or_is_refused(frame: str) -> None:
    with suppress(BadMessageError):
        decode(frame)


@given(st.lists(FRAMES, max_size=6))
@settings(max_examples=40)
def test_no_frames_wedge_the_server(server: Server, frames: list[str]) -> None:
    with Wire(server) as wire, suppress(ConnectionClosed):
        for frame in frames:
            wire.socket.send(frame)
        with suppress(TimeoutError):
            while True:
                wire.receive(timeout=0.02)
    with Wire(server) as other:
        number = other.follow("messages:list")
        assert other.mutation("messages:send", body="x")["success"]
        assert other.values[number]
