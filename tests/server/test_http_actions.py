from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from convex_nb import ActionCtx, ConvexError, Deployment, Request, Response, http_action, http_router
from convex_nb.server import http_actions
from convex_nb.server.server import Server
from tests.server.app import open_app

http = http_router()


@http.route("/messages", method="POST")
@http_action
def post_message(ctx: ActionCtx, request: Request) -> Response:
    id = ctx.run_mutation("messages:send", author=request.headers["X-Author"], body=request.text())
    return Response.json({"id": id}, status=201)


@http.route("/messages")
async def get_messages(ctx: ActionCtx, request: Request) -> Response:
    found = ctx.run_query("messages:list")
    wanted = request.query.get("author")
    return Response.json([each for each in found if wanted in (None, each["author"])])


@http.route(prefix="/echo/", method="PUT")
def echo(ctx: ActionCtx, request: Request) -> Response:
    headers = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-url", request.url), ("x-path", request.path)]
    return Response(request.bytes(), headers=headers)


@http.route("/who")
def who(ctx: ActionCtx, request: Request) -> Response:
    identity = ctx.auth.get_user_identity()
    return Response(identity["subject"] if identity else "nobody")


@http.route("/cors", method="OPTIONS")
def preflight(ctx: ActionCtx, request: Request) -> Response:
    return Response(headers={"Access-Control-Allow-Origin": request.headers["origin"]})


@http.route("/pieces")
def pieces(ctx: ActionCtx, request: Request) -> Response:
    def make() -> Iterator[str]:
        for n in range(5):
            yield f"{n},"

    return Response(make(), headers={"content-type": "text/csv"})


@http.route(prefix="/fail/")
def fail(ctx: ActionCtx, request: Request) -> Any:
    how = request.path.rpartition("/")[2]
    if how == "data":
        raise ConvexError({"code": 42})
    if how == "plain":
        raise RuntimeError("the password is 1234")
    return "no response" if how == "text" else Response(b"x" * (21 << 20))


@pytest.fixture
def site(app: Deployment, server: Server) -> str:
    app.push(http=http)
    return server.site_url


def test_an_action_answers_at_the_site_and_below_http(app: Deployment, server: Server, site: str) -> None:
    made = httpx.post(f"{site}/messages", content="hi", headers={"x-author": "ada"})
    assert made.status_code == 201
    assert made.headers["content-type"] == "application/json"
    assert made.json()["id"] == app.query("messages:list")[0]["_id"]
    for base in (site, f"{server.url}/http"):
        found = httpx.get(f"{base}/messages", params={"author": "ada"}).json()
        assert [each["body"] for each in found] == ["hi"]
        assert httpx.get(f"{base}/messages?author=bob").json() == []


def test_what_is_sent_arrives_as_it_is(site: str) -> None:
    body = bytes(range(256)) * 100
    answer = httpx.put(f"{site}/echo/a%20b%2Fc?x=%C3%A4", content=body)
    assert answer.content == body
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.headers["x-url"] == f"{site}/echo/a%20b%2Fc?x=%C3%A4"
    assert answer.headers["x-path"] == "/echo/a%20b%2Fc"


def test_head_is_get_without_a_body(site: str) -> None:
    answer = httpx.head(f"{site}/who")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "6")


def test_a_body_may_come_in_pieces(site: str) -> None:
    answer = httpx.get(f"{site}/pieces")
    assert answer.text == "0,1,2,3,4,"
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["content-type"] == "text/csv"


def test_origins_are_the_actions_own_matter(site: str) -> None:
    origin = {"origin": "https://evil.example"}
    assert httpx.options(f"{site}/cors", headers=origin).headers["access-control-allow-origin"] == origin["origin"]
    answer = httpx.get(f"{site}/who", headers=origin)
    assert answer.text == "nobody"
    assert "access-control-allow-origin" not in answer.headers
    assert httpx.get(f"{site}/who", headers={"host": "evil.example"}).status_code == 403


def test_what_is_not_there(app: Deployment, server: Server) -> None:
    for base in (server.site_url, f"{server.url}/http"):
        answer = httpx.get(f"{base}/x")
        assert (answer.status_code, answer.text) == (404, "This Convex deployment does not have HTTP actions enabled.")
    app.push(http=http)
    for method, path in (("GET", "/nothing"), ("DELETE", "/messages"), ("GET", "/echo/x"), ("GET", "/")):
        answer = httpx.request(method, f"{server.site_url}{path}")
        assert (answer.status_code, answer.text) == (404, "No matching routes found")
    # The API is at the other port.
    assert httpx.get(f"{server.site_url}/version").status_code == 404


def test_what_goes_wrong_inside(site: str) -> None:
    answer = httpx.get(f"{site}/fail/data")
    assert answer.status_code == 500
    assert answer.json()["data"] == {"code": 42}
    assert 'Server Error: Uncaught ConvexError: {"code":42}' in answer.json()["code"]
    answer = httpx.get(f"{site}/fail/plain")
    assert answer.json()["code"].startswith("[Request ID: ")
    assert answer.json()["trace"].startswith("Uncaught RuntimeError: the password is 1234")
    assert "data" not in answer.json()
    assert "return a `Response`" in httpx.get(f"{site}/fail/text").json()["code"]
    assert "at most 20,971,520" in httpx.get(f"{site}/fail/large").json()["code"]


def test_in_production_only_the_data_is_told() -> None:
    with open_app(mode="prod") as app:
        app.push(http=http)
        server = app.serve(port=0)
        answer = httpx.get(f"{server.site_url}/fail/plain").json()
        assert set(answer) == {"code"}
        assert answer["code"].endswith("Server Error")
        assert httpx.get(f"{server.site_url}/fail/data").json()["data"] == {"code": 42}


def test_a_token_that_is_not_good_matters_to_those_who_ask(site: str, server: Server) -> None:
    for authorization in ("Bearer a.b.c", "Basic abc", "Convex wrong"):
        headers = {"authorization": authorization}
        assert httpx.get(f"{site}/messages", headers=headers).status_code == 200
        answer = httpx.get(f"{site}/who", headers=headers)
        assert answer.status_code == 500
        assert "AuthenticationError" in answer.json()["code"]
    acting = {"authorization": f"Convex {server.admin_key}:eyJzdWJqZWN0IjoiYWRhIn0="}
    assert httpx.get(f"{site}/who", headers=acting).text == "ada"


def test_a_request_that_is_too_large(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_actions, "LARGEST", 1000)
    assert httpx.put(f"{site}/echo/x", content=b"x" * 1001).status_code == 413


def test_a_paused_deployment(app: Deployment, site: str) -> None:
    app.pause()
    answer = httpx.get(f"{site}/who")
    assert answer.status_code == 503
    assert "paused" in answer.text
