from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from convex_nb import Deployment, MutationCtx, QueryCtx, define_component, mutation, query
from convex_nb.server import messages, session
from convex_nb.server.server import Server
from tests.server.app import add_to_counter, get_counter, open_app
from tests.server.wire import Wire, nanoseconds
from tests.until import until


def test_a_query_is_followed_and_a_mutation_is_over_when_it_shows(app: Deployment, server: Server) -> None:
    with Wire(server) as wire:
        number = wire.follow("messages:list")
        assert wire.values == {number: []}
        answer = wire.mutation("messages:send", body="hi")
        assert answer["success"]
        assert [each["body"] for each in wire.values[number]] == ["hi"]
        assert answer["result"] == wire.values[number][0]["_id"]
        app.mutation("messages:send", body="from the notebook")
        wire.until(lambda: len(wire.values[number]) == 2)
        wire.modify({"type": "Remove", "queryId": number})
        wire.until(lambda: wire.version["querySet"] == 2)
        assert wire.values == {}
        assert app.statistics().reactor.queries == 0


def test_the_answer_comes_before_the_transition_that_shows_it(server: Server) -> None:
    with Wire(server) as wire:
        wire.follow("counter:get")
        for _ in range(30):
            wire.mutation("counter:add")
        kinds = [message["type"] for message in wire.messages[1:] if message["type"] != "Ping"]
        assert kinds == ["MutationResponse", "Transition"] * 30


def test_a_mutation_of_a_client_that_follows_nothing_is_over_too(app: Deployment, server: Server) -> None:
    with Wire(server, version="") as wire:
        assert wire.mutation("counter:add")["result"] == 1.0
        # Nor is one that writes nothing left waiting.
        app.register(nothing)
        assert wire.mutation("nothing")["result"] is None
        assert nanoseconds(wire.version["ts"]) == app.timestamp


@mutation("nothing")
def nothing(ctx: MutationCtx) -> None:
    ctx.db.query("messages").collect()


def test_every_transition_is_of_one_moment(app: Deployment, server: Server) -> None:
    both(app)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            app.mutation("both")

    writer = threading.Thread(target=write)
    with Wire(server) as wire:
        a, b = wire.add(("counter:get", {"name": "a"}), ("counter:get", {"name": "b"}))
        writer.start()
        try:
            for _ in range(200):
                wire.receive()
                assert wire.values[a] == wire.values[b]
        finally:
            stop.set()
            writer.join()
        wire.until(lambda: wire.values[a] == app.query("counter:get", name="a"))


def both(app: Deployment) -> None:
    @mutation("both")
    def increase_both(ctx: MutationCtx) -> None:
        for name in ("a", "b"):
            ctx.run_mutation(add_to_counter, name=name)

    app.register(increase_both)


def test_mutations_of_a_client_run_in_order_and_actions_beside_them(app: Deployment, server: Server) -> None:
    with Wire(server) as wire:
        sent = [wire.ask("Mutation", "counter:add") for _ in range(50)]
        echo = wire.ask("Action", "act:echo", value="x")
        wire.until(lambda: len(wire.answers) == 51)
        assert [wire.answers[number]["result"] for number in sent] == [float(n) for n in range(1, 51)]
        assert wire.answers[echo]["result"] == "x"
        assert wire.answers[echo]["logLines"] == ["[LOG] 'hello 1'"]


def test_a_mutation_that_is_asked_for_again_runs_once(app: Deployment, server: Server) -> None:
    with Wire(server, session="mine") as wire:
        assert wire.mutation("counter:add", request=7)["result"] == 1.0
    with Wire(server, session="mine") as again:
        assert again.mutation("counter:add", request=7)["result"] == 1.0
        assert again.mutation("counter:add", request=8)["result"] == 2.0
    with Wire(server, session="another") as another:
        assert another.mutation("counter:add", request=7)["result"] == 3.0
    # One that failed has done nothing, and runs again.
    with Wire(server, session="mine") as wire:
        assert not wire.mutation("fail:mutation", request=9)["success"]
        assert wire.mutation("counter:add", request=9)["result"] == 4.0


def test_it_runs_once_across_an_end_of_the_kernel(tmp_path: Path) -> None:
    for _ in range(2):
        with open_app(path=tmp_path / "app.convex") as app, Wire(app.serve(port=0), session="mine") as wire:
            assert wire.mutation("counter:add", request=0)["result"] == 1.0
            assert app.query(get_counter) == 1


def test_errors_say_what_happened(server: Server) -> None:
    with Wire(server) as wire:
        answer = wire.mutation("fail:mutation")
        assert answer["errorData"] == {"code": 42.0, "why": "no"}
        assert answer["logLines"] == ["[LOG] 'about to fail'"]
        first, second, *frames = answer["result"].split("\n")
        assert first.startswith("[Request ID: ")
        assert first.endswith("] Server Error")
        assert second == 'Uncaught ConvexError: {"code":42,"why":"no"}'
        assert "app.py" in frames[0]
        answer = wire.action("fail:action", how="plain")
        assert "errorData" not in answer
        assert "Uncaught RuntimeError: the password is 1234" in answer["result"]
        number = wire.follow("fail:query")
        assert wire.errors[number]["errorData"]["code"] == 42
        number = wire.follow("secret:number")
        assert "Could not find public function for 'secret:number'" in wire.errors[number]["errorMessage"]
        answer = wire.mutation("counter:add", by="much")
        assert "ArgumentValidationError: " in answer["result"]


def test_in_production_only_the_data_of_an_error_is_told() -> None:
    with open_app(mode="prod") as app, Wire(app.serve(port=0)) as wire:
        answer = wire.mutation("fail:mutation")
        assert answer["errorData"] == {"code": 42.0, "why": "no"}
        for text in (answer["result"], wire.action("fail:action", how="plain")["result"]):
            assert text.endswith("] Server Error")
        number = wire.follow("fail:query", how="plain")
        assert wire.errors[number]["errorMessage"].endswith("] Server Error")
        said = [message["logLines"] for message in wire.messages if "logLines" in message]
        assert said == [[], []]


def test_a_query_whose_function_comes_later_recovers(app: Deployment, server: Server) -> None:
    with Wire(server) as wire:
        number = wire.follow("later")
        assert "Has its cell been run" in wire.errors[number]["errorMessage"]

        @query("later")
        def later(ctx: QueryCtx) -> str:
            return "now"

        app.register(later)
        wire.until(lambda: wire.values.get(number) == "now")
        app.unregister("later")
        wire.until(lambda: number in wire.errors)


def test_a_paused_deployment_refuses_and_catches_up(app: Deployment, server: Server) -> None:
    with Wire(server) as wire:
        app.pause()
        number = wire.follow("counter:get")
        assert "paused" in wire.errors[number]["errorMessage"]
        assert "paused" in wire.mutation("counter:add")["result"]
        app.resume()
        wire.until(lambda: wire.values.get(number) == 0)


def test_a_page_keeps_its_end_over_a_reconnection(app: Deployment, server: Server) -> None:
    app.mutation("numbers:put", numbers=[1, 2, 3, 4])
    page: Any = {"paginationOpts": {"numItems": 2, "cursor": None, "id": 0}}
    with Wire(server) as wire:
        (number,) = wire.add(("numbers:page", page))
        wire.until(lambda: number in wire.values)
        journal = wire.journals[number]
        assert journal == wire.values[number]["continueCursor"]
        app.mutation("numbers:put", numbers=[1.5])
        wire.until(lambda: len(wire.values[number]["page"]) == 3)
    app.mutation("numbers:put", numbers=[1.75])
    with Wire(server) as wire:
        (number,) = wire.add(("numbers:page", page), journal=journal)
        wire.until(lambda: number in wire.values)
        assert [each["n"] for each in wire.values[number]["page"]] == [1, 1.5, 1.75, 2]


@pytest.mark.parametrize("name", ["impersonating", "acting_as"])
def test_the_owner_sees_more_and_acts_for_others(app: Deployment, server: Server, name: str) -> None:
    with Wire(server) as wire:
        number, asked = wire.add(("secret:number", {}), ("auth:who", {}))
        wire.until(lambda: number in wire.errors)
        identity = {"subject": "ada", "issuer": "https://me"}
        wire.send("Authenticate", baseVersion=0, tokenType="Admin", value=server.admin_key, **{name: identity})
        wire.until(lambda: wire.values.get(number) == 42)
        assert wire.version["identity"] == 1
        assert wire.values[asked] == "ada"
        wire.send("Authenticate", baseVersion=1, tokenType="None")
        wire.until(lambda: number in wire.errors)
        assert wire.values[asked] is None


@pytest.mark.parametrize(("kind", "value"), [("User", "a.b.c"), ("Admin", "x"), ("User", None), ("Admin", "ü")])
def test_nobody_is_believed_without_proof(server: Server, kind: str, value: str | None) -> None:
    with Wire(server) as wire:
        wire.send("Authenticate", baseVersion=0, tokenType=kind, value=value)
        told, code = wire.end()
        assert code == 1000
        assert told is not None
        refusal = wire.messages[-1]
        assert (refusal["type"], refusal["baseVersion"], refusal["authUpdateAttempted"]) == ("AuthError", 0, True)


DEEP = '{"type":"Action","requestId":0,"udfPath":"act:echo","args":[{"value":' + "[" * 100_000 + "]" * 100_000 + "}]}"
BAD_FRAMES = {
    "no JSON": "hello",
    "no object": "[1]",
    "no type": "{}",
    "unknown type": '{"type":"Hack"}',
    "deep": DEEP,
    "64 levels": DEEP.replace("[" * 100_000, "[" * 65).replace("]" * 100_000, "]" * 65),
    "negative number": '{"type":"Mutation","requestId":-1,"udfPath":"a:b","args":[{}]}',
    "too large a number": '{"type":"Mutation","requestId":4294967296,"udfPath":"a:b","args":[{}]}',
    "fraction": '{"type":"Mutation","requestId":0.5,"udfPath":"a:b","args":[{}]}',
    "many digits": '{"type":"Action","requestId":0,"udfPath":"act:echo","args":[{"value":' + "9" * 10_000 + "}]}",
    "NaN": '{"type":"Action","requestId":0,"udfPath":"act:echo","args":[{"value":NaN}]}',
    "two arguments": '{"type":"Mutation","requestId":0,"udfPath":"a:b","args":[{},{}]}',
    "no arguments object": '{"type":"Mutation","requestId":0,"udfPath":"a:b","args":[1]}',
    "bad encoding": '{"type":"Mutation","requestId":0,"udfPath":"a:b","args":[{"x":{"$integer":"AA"}}]}',
    "unknown tag": '{"type":"Mutation","requestId":0,"udfPath":"a:b","args":[{"x":{"$set":[]}}]}',
    "bad field name": '{"type":"Mutation","requestId":0,"udfPath":"a:b","args":[{"$x":1,"y":2}]}',
    "half a pair": '{"type":"Action","requestId":0,"udfPath":"act:echo","args":[{"value":"\\ud800"}]}',
    "old version": '{"type":"ModifyQuerySet","baseVersion":5,"newVersion":6,"modifications":[]}',
    "same version": '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":0,"modifications":[]}',
    "old identity": '{"type":"Authenticate","baseVersion":1,"tokenType":"None"}',
    "unknown token": '{"type":"Authenticate","baseVersion":0,"tokenType":"Root"}',
    "Connect again": '{"type":"Connect","sessionId":"x","connectionCount":0,"clientTs":0}',
    "unknown modification": '{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"X"}]}',
}


@pytest.mark.parametrize("frame", BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_frame_that_makes_no_sense_ends_its_own_connection_only(server: Server, frame: str) -> None:
    with Wire(server) as other, Wire(server) as wire:
        wire.socket.send(frame)
        told, code = wire.end()
        assert told
        assert code == 1002
        assert other.mutation("counter:add")["success"]


def test_other_frames_that_make_no_sense(server: Server) -> None:
    with Wire(server) as wire:
        wire.socket.send(b"\x00\xff")
        assert wire.end() == (None, 1003)
    with Wire(server) as wire, suppress(ConnectionClosed):
        wire.socket.send('"' + "x" * (25 << 20) + '"')
        # The connection may be gone before the close frame has been read.
        assert wire.end()[1] in (1009, None)
    with Wire(server) as wire:
        assert wire.mutation("counter:add")["success"]


def test_nothing_is_done_before_a_client_has_said_who_it_is(app: Deployment, server: Server) -> None:
    wire = Wire(server)
    wire.connect = lambda: None  # type: ignore[method-assign]
    with wire:
        wire.ask("Mutation", "counter:add")
        assert wire.end() == ("The first message of a client is Connect.", 1002)
    assert app.query(get_counter) == 0


def test_what_is_not_known_is_let_be(server: Server) -> None:
    with Wire(server) as wire:
        wire.send("Event", eventType="ClientConnect", event={"marks": []}, more=1)
        wire.send("Mutation", requestId=0, udfPath="counter.js:add", args=[], unknown=True)
        wire.until(lambda: 0 in wire.answers)
        assert wire.answers[0]["success"]


def test_a_long_transition_is_cut_for_those_who_can_put_it_together(
    app: Deployment, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages.parts, "__defaults__", (1000,))
    for _ in range(20):
        app.mutation("messages:send", body="ä€😀" * 50)
    for version, is_cut in (("1.48.0", True), ("1.27.3", False), ("python-0.8.1", False), ("", False)):
        with Wire(server, version=version) as wire:
            number = wire.follow("messages:list")
            assert len(wire.values[number]) == 20
            assert ({message["type"] for message in wire.messages} == {"TransitionChunk"}) == is_cut
            assert not is_cut or max(len(message["chunk"].encode()) for message in wire.messages) in range(997, 1001)


def test_what_is_removed_is_said_to_be_removed_once(server: Server) -> None:
    add = {"type": "Add", "queryId": 0, "udfPath": "counter:get", "args": [{}]}
    remove = {"type": "Remove", "queryId": 0}
    with Wire(server) as wire:
        # In one message, or in two of which the first may never be shown: the client waits for the word all the same.
        for sent in ([[add, remove]], [[add], [remove]], [[remove]]):
            for modifications in sent:
                wire.modify(*modifications)
            wire.until(lambda: wire.version["querySet"] == wire.asked)
        told = [
            each for message in wire.messages for each in message["modifications"] if each["type"] != "QueryUpdated"
        ]
        assert told == [{"type": "QueryRemoved", "queryId": 0}] * 3
        assert 0 not in wire.values


def test_functions_of_components_are_the_administrators(app: Deployment, server: Server) -> None:
    inner = define_component("inner")
    inner.query("counter:get")(lambda ctx: "the component's")
    app.use(inner)
    add = {"type": "Add", "queryId": 0, "udfPath": "counter:get", "args": [{}], "componentPath": "inner"}
    with Wire(server) as wire:
        wire.modify(add)
        wire.until(lambda: wire.errors)
        wire.send("Authenticate", baseVersion=0, tokenType="Admin", value=server.admin_key)
        wire.until(lambda: wire.values)
        assert wire.values == {0: "the component's"}


def test_a_client_that_hears_nothing_is_pinged(app: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PING_SECONDS", 0.05)
    with Wire(app.serve(port=0)) as wire:
        assert [wire.receive()["type"] for _ in range(3)] == ["Ping"] * 3


def test_a_client_that_does_not_read_is_kept_nothing_for(app: Deployment, server: Server) -> None:
    app.mutation("messages:send", body="x" * 500_000)
    with Wire(server) as wire:
        number = wire.follow("messages:list")
        for n in range(300):
            app.mutation("messages:send", body=str(n))
        before = wire.transitions
        wire.until(lambda: len(wire.values[number]) == 301)
        # Each is half a megabyte: a few are on their way, the others were never made.
        assert wire.transitions - before < 100


def test_requests_that_come_faster_than_they_are_served_are_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MOST_WAITING", 0)
    with Wire(server) as wire:
        wire.ask("Mutation", "counter:add")
        assert wire.end() == (None, 1013)


def test_a_page_that_is_left_leaves_nothing_behind(app: Deployment, server: Server) -> None:
    for _ in range(5):
        with Wire(server) as wire:
            wire.follow("counter:get")
    with Wire(server) as wire:
        wire.follow("messages:list")
        app.mutation(add_to_counter)
        wire.mutation("messages:send", body="x")
        # The server hears of a client's end a moment after the client does.
        until(lambda: app.statistics().reactor.queries == 1)
        app.check()


def test_clients_of_one_query_share_its_runs(app: Deployment, server: Server) -> None:
    wires = [Wire(server) for _ in range(5)]
    for wire in wires:
        wire.__enter__()
        wire.follow("counter:get")
    before = app.statistics().reactor.runs
    app.mutation(add_to_counter)
    for wire in wires:
        wire.until(lambda wire=wire: wire.values[0] == 1)
    assert app.statistics().reactor.runs == before + 1
    for wire in wires:
        wire.__exit__(None, None, None)


@pytest.mark.parametrize("path", ["/api/x/sync", "/api/1.2/sync", "/api/" + "1" * 200 + ".1.1/sync"])
def test_a_version_that_makes_no_sense_is_refused(server: Server, path: str, caplog: pytest.LogCaptureFixture) -> None:
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    with pytest.raises(InvalidStatus) as refused, connect(server.url.replace("http:", "ws:") + path):
        pass
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["code"] == "InvalidVersion"
    # That is no fault of ours to be told of.
    assert not caplog.records
