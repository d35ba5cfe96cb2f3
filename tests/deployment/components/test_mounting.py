"""HTTP actions of a component, below a prefix of the application's."""

from __future__ import annotations

from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ComponentError,
    Request,
    Response,
    SchemaDefinitionError,
    components,
    define_component,
    http_router,
)
from convex_nb.functions.components.component import Component
from convex_nb.functions.http.router import HttpRouter


def inbox_component() -> Component:
    inbox = define_component("inbox")

    @inbox.mutation
    def take(ctx: Any, text: str) -> Any:
        return ctx.db.insert("letters", {"text": text})

    @inbox.internal_query
    def count(ctx: Any) -> Any:
        return len(ctx.db.query("letters").collect())

    @inbox.http.route("/take", method="POST")
    def taken(ctx: Any, request: Request) -> Response:
        ctx.run_mutation(take, text=request.text())
        return Response(f"{ctx.run_query(count)} at {request.path}", status=201)

    @inbox.http.route(prefix="/files/")
    async def file(ctx: Any, request: Request) -> Response:
        return Response(request.path)

    @inbox.http.route("/who")
    def who(ctx: Any, request: Request) -> Response:
        return Response.json(ctx.auth.get_user_identity())

    return inbox


def mounted(*mounts: tuple[str, Any]) -> Any:
    http = http_router()

    @http.route("/home")
    def home(ctx: Any, request: Request) -> Response:
        return Response("home")

    @http.route(prefix="/a/")
    def below(ctx: Any, request: Request) -> Response:
        return Response("the application's")

    for mount in mounts:
        http.mount(*mount)
    return http


def test_the_function_spec_has_what_answers() -> None:
    inbox = inbox_component()
    outer = define_component("outer")
    outer.use(inbox, name="inner")
    outer.http.mount("/deep/", components.inner)
    http: HttpRouter = mounted(("/a/", components.inbox), ("/c/", components.outer))

    @http.route("/c/deep/who")
    def before(ctx: Any, request: Request) -> Response:
        return Response("of the application")

    @http.route(prefix="/c/deep/files/")
    def all_before(ctx: Any, request: Request) -> Response:
        return Response("of the application")

    with convex_nb.open() as dep:
        assert dep.function_spec()["functions"] == []
        dep.push(http=http, components=[inbox, outer])
        listed = [(each["method"], each["path"]) for each in dep.function_spec()["functions"]]
        # Of the component's below /a/ only that one which the application's own `GET /a/*` does not answer.
        assert listed == [
            ("GET", "/a/*"),
            ("POST", "/a/take"),
            ("GET", "/c/deep/files/*"),
            ("POST", "/c/deep/take"),
            ("GET", "/c/deep/who"),
            ("GET", "/home"),
        ]
        for method, path in listed:
            assert dep.fetch(path.replace("*", "x"), method=method).status in (200, 201)


def test_each_instance_answers_below_its_prefix() -> None:
    inbox = inbox_component()
    outer = define_component("outer")
    outer.use(inbox, name="inner")
    outer.http.mount("/deep/", components.inner)
    http = mounted(("/a/in/", components.inbox), ("/b/", components.second), ("/c/", components.outer))
    with convex_nb.open() as dep:
        dep.push(http=http, components=[inbox, inbox.named("second"), outer])

        def said(path: str, method: str = "GET") -> Any:
            answer = dep.fetch(path, method=method, body="hello" if method == "POST" else None)
            return answer.text() if answer.ok else answer.status

        assert [said("/home"), said("/a/x"), said("/a/in/files/x"), said("/c/deep/files/y?z=1")] == [
            "home",
            "the application's",
            "/a/in/files/x",
            "/c/deep/files/y",
        ]
        # What a request is told is the whole path; which route it takes is decided by the rest.
        assert [said("/a/in/take", "POST"), said("/b/take", "POST"), said("/a/in/take", "POST")] == [
            "1 at /a/in/take",
            "1 at /b/take",
            "2 at /a/in/take",
        ]
        assert said("/c/deep/take", "POST") == "1 at /c/deep/take"
        assert {path: each.table("letters").count() for path, each in dep.components.items()} == {
            "inbox": 2,
            "second": 1,
            "outer": 0,
            "outer/inner": 1,
        }
        assert [said("/a/in/take"), said("/a/in/"), said("/b"), said("/c/take", "POST")] == [404] * 4
        # A component has no users, and its calls are logged as its own.
        assert said("/a/in/who") == 500
        assert {call.path for call in dep.logs.executions} >= {"inbox//POST /take", "outer/inner//GET /files/*"}
        assert "/a/in/*  component inbox" in repr(http)

        # A route that is added later answers at once.
        @inbox.http.route("/late")
        def late(ctx: Any, request: Request) -> Response:
            return Response("late")

        assert said("/b/late") == "late"


def test_what_is_refused() -> None:
    inbox = inbox_component()
    http = mounted(("/a/in/", components.inbox))
    http.mount("/a/in/", components.inbox)
    for prefix, component, message in [
        ("/a/in/", components.other, 'The component "inbox" answers below /a/in/ already'),
        ("/b", components.inbox, "ends with /"),
        ("b/", components.inbox, "begins with /"),
        ("/.files/", components.inbox, "kept for the system"),
        ("/b/", inbox, "mount\\(\\) takes a component as it is installed, `components.likes`, not"),
        ("/b/", components.inbox.take, "as it is installed"),
    ]:
        with pytest.raises(SchemaDefinitionError, match=message):
            http.mount(prefix, component)
    with convex_nb.open() as dep:
        with pytest.raises(
            ComponentError, match='mounts the component "inbox" below /a/in/, and there is none'
        ) as caught:
            dep.push(http=http)
        assert caught.value.component == "inbox"
        with pytest.raises(ComponentError, match='Did you mean "inbo"'):
            dep.push(http=http, components=[inbox.named("inbo")])
        assert (dict(dep.components), dep.fetch("/home").status) == ({}, 404)
        dep.push(http=http, components=[inbox])
        dep.push(components=[])
        assert dep.fetch("/a/in/who").status == 404
