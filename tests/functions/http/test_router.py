from __future__ import annotations

from typing import Any

import pytest

from convex_nb import Request, Response, SchemaDefinitionError, http_action, http_router


def answer(ctx: Any, request: Request) -> Response:
    return Response()


def other(ctx: Any, request: Request) -> Response:
    return Response()


def test_an_exact_path_goes_first_and_a_longer_prefix_before_a_shorter_one() -> None:
    http = http_router()
    for path in ("/a", "/a/b"):
        http.route(path, handler=answer)
    for prefix in ("/", "/a/", "/a/b/", "/a/b/c/"):
        http.route(prefix=prefix, handler=answer)
    http.route(prefix="/a/b/c/", method="POST", handler=answer)
    found = {
        path: route.path if (route := http.lookup(path, "GET")) else None
        for path in ("/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/d", "/ab")
    }
    assert found == {
        "/": "/*",
        "/a": "/a",
        "/a/": "/a/*",
        "/a/b": "/a/b",
        "/a/b/": "/a/b/*",
        "/a/b/c": "/a/b/*",
        "/a/b/c/d": "/a/b/c/*",
        "/ab": "/*",
    }


def test_a_method_that_an_exact_path_does_not_have_is_looked_for_below_prefixes() -> None:
    http = http_router()
    http.route("/a", handler=answer)
    http.route(prefix="/", method="POST", handler=other)
    assert http.lookup("/a", "POST") == ("/*", "POST", http.routes[0].action)
    assert http.lookup("/a", "HEAD") == ("/a", "GET", http.routes[1].action)
    assert http.lookup("/a", "PUT") is None


def test_a_router_shows_its_routes() -> None:
    http = http_router()
    assert repr(http) == "no routes"
    http.route("/hook", method="post", handler=answer)
    http.route(prefix="/files/", handler=other)
    assert repr(http) == "GET /files/*  other\nPOST /hook  answer"


def test_a_definition_that_is_run_again_replaces_its_route() -> None:
    http = http_router()

    def define() -> Any:
        @http.route("/x")
        def handler(ctx: Any, request: Request) -> Response:
            return Response()

        return handler

    define()
    newest = define()
    assert [route.action for route in http.routes] == [newest]
    with pytest.raises(SchemaDefinitionError, match=r"GET /x is answered by `handler` already: give `other` another"):
        http.route("/x", handler=other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "has a path, or `prefix=`"),
        ({"path": "/a", "prefix": "/a/"}, "and not both"),
        ({"path": "a"}, "begins with /"),
        ({"path": 5}, "begins with /"),
        ({"prefix": "/a"}, "ends with /"),
        ({"path": "/.files/x"}, "kept for the system"),
        ({"path": "/a", "method": "HEAD"}, "go where those with GET do"),
        ({"path": "/a", "method": "FETCH"}, "is one of GET, POST"),
        ({"path": "/a", "method": ["GET"]}, "is one of GET, POST"),
    ],
)
def test_a_route_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=message):
        http_router().route(**options, handler=answer)


def generator(ctx: Any, request: Request) -> Any:
    yield b"x"


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (5, "is a `def` with the parameters `ctx` and `request`"),
        (dict, "is a `def`"),
        (lambda ctx: None, "does not take what an HTTP action gets"),
        (generator, "is a generator: return a `Response` whose body is one"),
        (http_action(answer), "is a `def`"),
    ],
)
def test_an_action_that_cannot_be(handler: Any, message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=message):
        http_action(handler)


def test_an_action_is_not_called_but_asked() -> None:
    with pytest.raises(TypeError, match=r"dep\.fetch"):
        http_action(answer)(None, Request("http://x/"))
