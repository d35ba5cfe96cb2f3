"""Tokens at the doors of a server: on the socket, over HTTP, in HTTP actions, and with Convex's own client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from convex_nb import ActionCtx, Deployment, MutationCtx, Request, Response, action, http_action, http_router, mutation
from convex_nb.server.server import Server
from convex_nb.services.authentication.dev_issuer import DevIssuer
from convex_nb.testing import VirtualClock
from tests.server.app import open_app
from tests.server.test_clients import finish, modules, needs_node, start
from tests.server.wire import Wire

__all__ = ["modules"]
HOUR_MS = 3_600_000


@mutation("auth:note")
def note(ctx: MutationCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    subject = None if identity is None else identity["subject"]
    ctx.db.insert("messages", {"author": str(subject), "body": ""})
    return subject


@action("auth:act")
def act(ctx: ActionCtx) -> Any:
    return ctx.run_query("auth:who")


@http_action
def whoami(ctx: ActionCtx, request: Request) -> Response:
    return Response(str((ctx.auth.get_user_identity() or {}).get("subject")))


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def app(clock: VirtualClock) -> Iterator[Deployment]:
    with open_app(clock=clock) as deployment:
        deployment.register(note, act)
        yield deployment


@pytest.fixture
def issuer(app: Deployment) -> DevIssuer:
    issuer = app.auth.dev_issuer()
    app.push(auth=[issuer.provider])
    return issuer


def authenticate(wire: Wire, token: str) -> None:
    base = wire.version["identity"]
    wire.send("Authenticate", baseVersion=base, tokenType="User", value=token)
    wire.until(lambda: wire.version["identity"] > base)


def refusal(wire: Wire) -> dict[str, Any]:
    _, code = wire.end()
    assert code == 1000
    found = wire.messages[-1]
    assert found["type"] == "AuthError"
    return found


def test_queries_move_to_the_bearer_of_a_token(server: Server, issuer: DevIssuer) -> None:
    with Wire(server) as wire:
        number = wire.follow("auth:who")
        assert wire.values[number] is None
        for subject in ("ada", "bob"):
            authenticate(wire, issuer.token(subject))
            assert wire.values[number] == subject
            assert wire.mutation("auth:note")["result"] == subject
            assert wire.action("auth:act")["result"] == subject
        wire.send("Authenticate", baseVersion=2, tokenType="None")
        wire.until(lambda: wire.values[number] is None)


def test_a_fresh_token_of_the_same_user_changes_no_result(server: Server, issuer: DevIssuer) -> None:
    with Wire(server) as wire:
        authenticate(wire, issuer.token())
        wire.follow("auth:who")
        authenticate(wire, issuer.token(lasts=timedelta(hours=2)))
        assert wire.messages[-1]["modifications"] == []


def test_a_token_that_is_not_good_ends_the_connection(app: Deployment, server: Server, issuer: DevIssuer) -> None:
    good = issuer.token()
    for token in (app.auth.dev_issuer().token(), good[:-2], "x", "", issuer.token(aud="other")):
        with Wire(server) as wire:
            authenticate(wire, good)
            wire.follow("auth:who")
            wire.send("Authenticate", baseVersion=1, tokenType="User", value=token)
            found = refusal(wire)
            assert (found["baseVersion"], found["authUpdateAttempted"]) == (1, True)
            assert token not in found["error"] or len(token) < 2


@pytest.mark.parametrize("kind", ["Mutation", "Action", "ModifyQuerySet"])
def test_nothing_runs_for_an_expired_token(
    app: Deployment, clock: VirtualClock, server: Server, issuer: DevIssuer, kind: str
) -> None:
    with Wire(server) as wire:
        authenticate(wire, issuer.token())
        clock.advance(HOUR_MS + 10_000)
        if kind == "ModifyQuerySet":
            wire.add(("auth:who", {}))
        else:
            wire.ask(kind, "auth:note" if kind == "Mutation" else "auth:act")
        found = refusal(wire)
        assert (found["baseVersion"], found["authUpdateAttempted"]) == (1, False)
        assert not wire.answers
        assert not wire.values
    assert list(app.logs.executions) == []
    assert app.table("messages").count() == 0


def test_nor_is_anything_new_shown_for_it(
    app: Deployment, clock: VirtualClock, server: Server, issuer: DevIssuer
) -> None:
    with Wire(server) as wire:
        authenticate(wire, issuer.token())
        number = wire.follow("messages:list")
        clock.advance(HOUR_MS + 10_000)
        app.mutation("messages:send", body="secret")
        assert refusal(wire)["authUpdateAttempted"] is False
        assert wire.values[number] == []


def test_a_new_token_in_time_goes_on(app: Deployment, clock: VirtualClock, server: Server, issuer: DevIssuer) -> None:
    with Wire(server) as wire:
        authenticate(wire, issuer.token())
        clock.advance(HOUR_MS - 60_000)
        authenticate(wire, issuer.token())
        clock.advance(HOUR_MS - 60_000)
        assert wire.mutation("auth:note")["result"] == "ada"


def test_over_http(app: Deployment, clock: VirtualClock, server: Server, issuer: DevIssuer) -> None:
    def ask(token: str) -> httpx.Response:
        body = {"path": "auth:who", "args": {}}
        return httpx.post(f"{server.url}/api/query", json=body, headers={"Authorization": f"Bearer {token}"})

    token = issuer.token()
    assert ask(token).json()["value"] == "ada"
    other = app.auth.dev_issuer().token()
    for bad, status, code in (
        (other, 401, "Unauthenticated"),
        ("x", 400, "InvalidAuthHeader"),
        (issuer.token(iss="https://other.test"), 401, "NoAuthProvider"),
    ):
        assert (ask(bad).status_code, ask(bad).json()["code"]) == (status, code)
    clock.advance(HOUR_MS + 10_000)
    assert (ask(token).status_code, ask(token).json()["code"]) == (401, "IdTokenExpired")


def test_in_http_actions(app: Deployment, server: Server, issuer: DevIssuer) -> None:
    router = http_router()
    router.route("/who", method="GET")(whoami)
    app.push(http=router)
    for token, status, text in ((issuer.token(), 200, "ada"), ("x", 500, "AuthenticationError")):
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{server.site_url}/who", headers=headers)
        own = app.fetch("/who", headers=headers)
        assert (answer.status_code, own.status) == (status, status)
        assert text in answer.text
        assert text in own.text()
    assert app.fetch("/who", headers={"Authorization": "x"}, identity={"subject": "bob"}).text() == "bob"
    assert app.fetch("/who", headers={"Authorization": "Basic x"}).text() == "None"


def test_the_client_of_pypi(app: Deployment, server: Server, issuer: DevIssuer) -> None:
    pytest.importorskip("convex")
    # In a process of its own: it keeps the interpreter's lock while it waits for the server.
    script = Path(__file__).parent / "clients" / "python_auth.py"
    subprocess.run([sys.executable, str(script), server.url, issuer.token()], check=True, timeout=60)


@needs_node
def test_the_client_of_npm(modules: Path) -> None:
    with open_app() as app:
        issuer = app.auth.dev_issuer()
        app.push(auth=[issuer.provider])
        issued = 0

        @action("issuer:token")
        def token(ctx: ActionCtx, subject: str, lasts: float) -> str:
            nonlocal issued
            issued += 1
            return issuer.token(subject, lasts=timedelta(seconds=lasts), jti=str(issued), iat=1_700_000_000)

        app.register(note, act, token)
        server = app.serve(port=0)
        assert isinstance(server, Server)
        finish(start("auth", server, modules))
