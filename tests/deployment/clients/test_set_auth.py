from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

import convex_nb
from convex_nb import ActionCtx, AuthenticationError, Deployment, InvalidValueError, QueryCtx, action, mutation, query
from convex_nb.services.authentication.dev_issuer import DevIssuer
from convex_nb.testing import VirtualClock

pytest.importorskip("jwt")

started, go_on = threading.Event(), threading.Event()


@query("m:who")
def who(ctx: QueryCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    return None if identity is None else identity["subject"]


@query("m:mine")
def mine(ctx: QueryCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    if identity is None:
        raise PermissionError("sign in")
    return [each["text"] for each in ctx.db.query("notes").collect() if each["of"] == identity["subject"]]


@mutation("m:note")
def note(ctx: Any, text: str) -> None:
    ctx.db.insert("notes", {"of": who.handler(ctx), "text": text})


@action("m:wait")
def wait(ctx: ActionCtx) -> Any:
    started.set()
    go_on.wait(60)
    return ctx.run_query("m:who")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(1_700_000_000_000)


@pytest.fixture
def dep(clock: VirtualClock) -> Iterator[Deployment]:
    with convex_nb.open(clock=clock) as dep:
        dep.register(who, mine, note, wait)
        yield dep


@pytest.fixture
def issuer(dep: Deployment) -> DevIssuer:
    issuer = dep.auth.dev_issuer()
    dep.push(auth=[issuer.provider])
    return issuer


def test_what_is_followed_is_that_of_whoever_signs_in(dep: Deployment, issuer: DevIssuer) -> None:
    dep.transact(lambda db: db.insert_many("notes", [{"of": "ada", "text": "a"}, {"of": "bob", "text": "b"}]))
    names: list[Any] = []
    notes: list[Any] = []
    errors: list[str] = []
    pairs: list[Any] = []
    with dep.client() as client:
        first = client.subscribe("m:who", {}, names.append)
        # At the moment at which somebody is told of notes, the name is theirs.
        client.subscribe(
            "m:mine", {}, lambda value: pairs.append((first.value, value)), lambda e: errors.append(str(e))
        )
        client.subscribe("m:mine", {}, notes.append)
        assert client.identity is None
        client.set_auth(issuer.token("ada"))
        assert client.identity is not None
        assert client.identity["subject"] == client.query("m:who") == "ada"
        client.set_auth(issuer.token("bob"))
        client.mutation("m:note", text="more")
        client.set_auth(None)
        assert client.query("m:who") is None
    assert names == [None, "ada", "bob", None]
    assert notes == [["a"], ["b"], ["b", "more"]]
    assert pairs == [("ada", ["a"]), ("bob", ["b"]), ("bob", ["b", "more"])]
    assert len(errors) == 2
    assert "sign in" in errors[0]


def test_tokens_are_fetched_when_they_are_needed(dep: Deployment, issuer: DevIssuer, clock: VirtualClock) -> None:
    asked: list[bool] = []
    changes: list[bool] = []

    def fetch(force_refresh: bool) -> str | None:
        asked.append(force_refresh)
        return None if len(asked) > 3 else issuer.token("ada", lasts=timedelta(minutes=1))

    with dep.client() as client:
        client.set_auth(fetch, changes.append)
        seen: list[Any] = []
        client.subscribe("m:who", {}, seen.append)
        assert (asked, changes) == ([False], [True])
        clock.advance(30_000)
        assert (client.query("m:who"), asked) == ("ada", [False])
        clock.advance(40_000)
        assert (client.query("m:who"), asked) == ("ada", [False, True])
        clock.advance(70_000)
        assert client.query("m:who") == "ada"
        # Then nobody is signed in any more.
        clock.advance(70_000)
        assert client.query("m:who") is None
        assert client.query("m:who") is None
        assert (asked, changes, seen) == ([False, True, True, True], [True, False], ["ada", None])


def test_a_token_from_a_cache_is_fetched_anew_if_it_is_refused(dep: Deployment, issuer: DevIssuer) -> None:
    with dep.client() as client:
        client.set_auth(lambda force_refresh: issuer.token("ada") if force_refresh else "stale")
        assert client.query("m:who") == "ada"
        client.set_auth(lambda: issuer.token("bob"))
        assert client.query("m:who") == "bob"


def test_what_is_refused_changes_nothing(dep: Deployment, issuer: DevIssuer) -> None:
    with dep.client() as client:
        client.set_auth(issuer.token("ada"))
        stranger = dep.auth.dev_issuer("https://stranger.test")
        for wrong in (stranger.token("eve"), "no token", lambda force_refresh: "no token"):
            with pytest.raises(AuthenticationError):
                client.set_auth(wrong)
        for senseless in (5, lambda force_refresh: 5):
            with pytest.raises(InvalidValueError):
                client.set_auth(senseless)  # type: ignore[arg-type]
        assert client.query("m:who") == "ada"


def test_a_client_tells_what_it_has_under_way(dep: Deployment, issuer: DevIssuer) -> None:
    client = dep.client()
    assert (client.connection_state, client.connection_state.has_inflight_requests) == ((True, 0, 0), False)
    thread = threading.Thread(target=client.action, args=("m:wait",))
    thread.start()
    assert started.wait(60)
    assert client.connection_state == (True, 0, 1)
    assert client.connection_state.has_inflight_requests
    go_on.set()
    thread.join()
    assert client.connection_state.inflight_actions == 0
    client.close()
    assert not client.connection_state.is_connected
