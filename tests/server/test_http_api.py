from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from convex_nb import Deployment, MutationCtx, define_component, mutation
from convex_nb.server import http_api
from convex_nb.server.server import Server
from tests.server.app import get_counter, open_app


def post(server: Any, endpoint: str, body: Any = None, **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}/api/{endpoint}", json=body, headers=headers, timeout=30)


def test_each_kind_of_function(server: Server) -> None:
    answers = [
        post(server, "mutation", {"path": "counter:add", "args": {"by": 2}}),
        post(server, "mutation", {"path": "counter:add", "args": [{"by": 3}], "format": "json"}),
        post(server, "query", {"path": "counter:get", "args": {}}),
        post(server, "query", {"path": "counter.js:get"}),
        post(server, "function", {"path": "counter:get", "args": {}}),
        post(server, "run/counter/get", {"args": {}}),
        post(server, "run/counter/get", {}),
        httpx.get(f"{server.url}/api/query", params={"path": "counter:get", "args": "{}"}),
    ]
    assert [each.status_code for each in answers] == [200] * 8
    assert [each.json() for each in answers[:2]] == [{"status": "success", "value": n} for n in (2, 5)]
    assert {each.text for each in answers[2:]} == {'{"status":"success","value":5.0}'}
    answer = post(server, "action", {"path": "act:echo", "args": {"value": [1]}}).json()
    assert answer == {"status": "success", "value": [1], "logLines": ["[LOG] 'hello 1'"]}


ENCODED = {"i": {"$integer": "+f////////8="}, "f": {"$float": "AAAAAAAA+H8="}, "b": {"$bytes": "AAH/"}, "n": 1.5}


@pytest.mark.parametrize(
    ("format", "headers", "value"),
    [
        ("convex_encoded_json", {}, ENCODED),
        ("convex_json", {}, ENCODED),
        ("json", {}, {"i": "-7", "f": "NaN", "b": "AAH/", "n": 1.5}),
        ("convex_clean_json", {}, {"i": "-7", "f": "NaN", "b": "AAH/", "n": 1.5}),
        (None, {}, {"i": "-7", "f": "NaN", "b": "AAH/", "n": 1.5}),
        (None, {"convex-client": "npm-1.48.0"}, {"i": "-7", "f": "NaN", "b": "AAH/", "n": 1.5}),
        (None, {"convex-client": "npm-1.4.1"}, {"i": "-7", "f": "NaN", "b": "AAH/", "n": 1.5}),
        (None, {"convex-client": "npm-1.4.0"}, ENCODED),
        (None, {"convex-client": "python-0.4.0"}, ENCODED),
    ],
)
def test_values_are_written_as_asked(server: Server, format: str | None, headers: dict[str, str], value: Any) -> None:
    body = {"path": "values:echo", "args": {"value": ENCODED}, "format": format}
    assert post(server, "query", body, **headers).json()["value"] == value


def test_the_plain_form_has_no_tags(server: Server) -> None:
    body = {"path": "values:echo", "args": {"value": {"$float": "AAAAAAAAAIA="}}, "format": "json"}
    assert post(server, "query", body).text == '{"status":"success","value":-0.0}'


def test_a_client_whose_version_cannot_be_read(server: Server) -> None:
    answer = post(server, "query", {"path": "counter:get"}, **{"convex-client": "something"})
    assert (answer.status_code, answer.json()["code"]) == (400, "InvalidVersion")


def test_functions_of_components_are_the_administrators(app: Deployment, server: Server) -> None:
    inner = define_component("inner")
    inner.query("counter:get")(lambda ctx: "the component's")
    app.use(inner)
    admin = {"authorization": f"Convex {server.admin_key}"}
    body = {"path": "counter:get", "args": {}, "componentPath": "inner"}
    for endpoint in ("query", "function"):
        assert post(server, endpoint, body, **admin).json()["value"] == "the component's"
        assert "Could not find public function" in post(server, endpoint, body).json()["errorMessage"]
    assert post(server, "query", {**body, "componentPath": ""}).json()["value"] == 0


def test_what_a_function_raises_is_an_answer(server: Server) -> None:
    answer = post(server, "mutation", {"path": "fail:mutation", "args": {}})
    assert answer.status_code == 200
    body = answer.json()
    assert set(body) == {"status", "errorMessage", "errorData", "logLines"}
    assert body["status"] == "error"
    assert body["errorData"] == {"code": 42, "why": "no"}
    assert "Uncaught ConvexError" in body["errorMessage"]
    assert "errorData" not in post(server, "action", {"path": "fail:action", "args": {"how": "x"}}).json()
    for path, kind in (("secret:number", "query"), ("no:where", "query"), ("no:where", "mutation"), ("x y", "action")):
        body = post(server, kind, {"path": path, "args": {}}).json()
        assert f"Could not find public function for '{path}'" in body["errorMessage"]
    body = post(server, "mutation", {"path": "counter:get", "args": {}}).json()
    assert '"counter:get" is a query' in body["errorMessage"]


def test_in_production_only_the_data_is_told() -> None:
    with open_app(mode="prod") as app:
        server = app.serve(port=0)
        for how in ("data", "plain"):
            body = post(server, "query", {"path": "fail:query", "args": {"how": how}}).json()
            assert body["errorMessage"].endswith("] Server Error")
            assert ("errorData" in body) == (how == "data")
            assert "logLines" not in body


def test_queries_of_one_moment(app: Deployment, server: Server) -> None:
    timestamp = post(server, "query_ts").json()["ts"]
    app.mutation("counter:add")
    body = {"path": "counter:get", "args": {}, "ts": timestamp}
    assert post(server, "query_at_ts", body).json()["value"] == 0
    assert post(server, "query", body).json()["value"] == 1
    many = post(server, "query_batch", {"queries": [{"path": "counter:get", "args": {}}, {"path": "no:where"}]}).json()
    assert [each["status"] for each in many["results"]] == ["success", "error"]
    body["ts"] = "AQAAAAAAAAA="
    refused = post(server, "query_at_ts", body)
    assert (refused.status_code, refused.json()["code"]) == (400, "TimestampTooOld")


@pytest.mark.parametrize(
    ("endpoint", "content", "status", "code"),
    [
        ("query", b"{", 400, "BadJsonBody"),
        ("query", b"", 400, "BadJsonBody"),
        ("query", b"[1]", 400, "BadJsonBody"),
        ("query", b'{"path":1}', 400, "BadJsonBody"),
        ("query", b'{"path":"a:b","format":"xml"}', 400, "BadJsonBody"),
        ("query", b'{"path":"a:b","args":' + b"[" * 100_000, 400, "BadJsonBody"),
        ("query", b"\xff\xfe", 400, "BadJsonBody"),
        ("query", b'{"path":"a:b","args":[{},{}]}', 400, "BadArguments"),
        ("query", b'{"path":"a:b","args":[1]}', 400, "BadArguments"),
        ("query", b'{"path":"a:b","args":{"x":{"$integer":"A"}}}', 400, "BadArguments"),
        ("query", b'{"path":"a:b","args":{"$bytes":"AAA="}}', 400, "BadArguments"),
        ("query_at_ts", b'{"path":"a:b","ts":"x"}', 400, "InvalidTimestamp"),
        ("query_at_ts", b'{"path":"a:b"}', 400, "InvalidTimestamp"),
        ("run/counter", b"{}", 400, "MissingIdentifier"),
        ("run/counter/", b"{}", 400, "MissingIdentifier"),
    ],
)
def test_a_request_that_makes_no_sense(server: Server, endpoint: str, content: bytes, status: int, code: str) -> None:
    refused = httpx.post(f"{server.url}/api/{endpoint}", content=content)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_other_requests_that_make_no_sense(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert httpx.get(f"{server.url}/api/query").status_code == 400
    assert httpx.get(f"{server.url}/api/query", params={"path": "a:b", "args": "{"}).status_code == 400
    assert httpx.get(f"{server.url}/api/mutation", params={"path": "counter:add"}).status_code == 405
    assert httpx.get(f"{server.url}/api/nothing").status_code == 404
    monkeypatch.setattr(http_api, "LARGEST_BODY", 1000)
    refused = post(server, "query", {"path": "values:echo", "args": {"value": "x" * 2000}})
    assert (refused.status_code, refused.json()["code"]) == (413, "BodyTooLarge")


def test_the_owner_may_do_more(server: Server) -> None:
    body = {"path": "secret:number", "args": {}}
    assert post(server, "query", body, authorization=f"Convex {server.admin_key}").json()["value"] == 42
    acting = f"Convex {server.admin_key}:eyJzdWJqZWN0IjoiYWRhIn0="
    assert post(server, "query", {"path": "auth:who", "args": {}}, authorization=acting).json()["value"] == "ada"


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("Bearer a.b.c", 401, "NoAuthProvider"),
        ("Convex wrong", 401, "BadAdminKey"),
        ("Convex wrong:e30=", 401, "BadAdminKey"),
        ("Convex wrong:???", 400, "InvalidAuthHeader"),
        ("Basic abc", 400, "InvalidAuthHeader"),
        ("Bearer", 400, "InvalidAuthHeader"),
    ],
)
def test_nobody_is_believed_without_proof(server: Server, header: str, status: int, code: str) -> None:
    refused = post(server, "query", {"path": "counter:get", "args": {}}, authorization=header)
    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_a_mutation_that_gives_up_may_be_tried_again(app: Deployment, server: Server) -> None:
    go, done, over = threading.Event(), threading.Event(), threading.Event()

    @mutation("counter:contended")
    def contended(ctx: MutationCtx) -> None:
        get_counter.handler(ctx)
        ctx.run_mutation("counter:add")
        go.set()
        done.wait(60)
        done.clear()

    def commit() -> None:
        while not over.is_set():
            if go.wait(0.1):
                go.clear()
                app.mutation("counter:add")
                done.set()

    app.register(contended)
    thread = threading.Thread(target=commit)
    thread.start()
    refused = post(server, "mutation", {"path": "counter:contended", "args": {}})
    over.set()
    thread.join()
    assert (refused.status_code, refused.json()["code"]) == (503, "OptimisticConcurrencyControlFailure")


def test_a_follower_sees_what_a_request_has_done(app: Deployment, server: Server) -> None:
    seen: list[Any] = []
    app.subscribe("counter:get", {}, seen.append)
    post(server, "mutation", {"path": "counter:add", "args": {}})
    assert seen == [0, 1]
