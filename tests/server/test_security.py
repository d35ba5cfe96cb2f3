from __future__ import annotations

from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from convex_nb import Deployment
from convex_nb.server.security import Gate
from convex_nb.server.server import Server


def gate(**options: Any) -> Gate:
    return Gate(None, **{"host": "127.0.0.1", **options})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "header", "allowed"),
    [
        ({}, "127.0.0.1:3210", True),
        ({}, "localhost:3210", True),
        ({}, "LOCALHOST", True),
        ({}, "[::1]:3210", True),
        ({}, "evil.example:3210", False),
        ({}, "localhost.evil.example", False),
        ({}, "127.0.0.1.evil.example", False),
        ({}, "192.168.1.5:3210", False),
        ({}, "", False),
        ({}, "[", False),
        ({"host": "0.0.0.0"}, "192.168.1.5:3210", True),
        ({"host": "0.0.0.0"}, "evil.example", False),
        ({"hosts": ["Proxy.example"]}, "proxy.example", True),
        ({"hosts": ["*"]}, "any.example", True),
        ({"host": "my-machine"}, "my-machine:3210", True),
    ],
)
def test_names_that_are_answered(options: dict[str, Any], header: str, allowed: bool) -> None:
    assert gate(**options).allows_host(header) == allowed


@pytest.mark.parametrize(
    ("options", "origin", "allowed"),
    [
        ({}, "http://localhost:5173", True),
        ({}, "http://127.0.0.1", True),
        ({}, "https://[::1]:8443", True),
        ({}, "https://evil.example", False),
        ({}, "http://localhost.evil.example", False),
        ({}, "http://localhost@evil.example", False),
        ({}, "null", False),
        ({}, "file://", False),
        ({}, "chrome-extension://localhost", False),
        ({}, "http://[", False),
        ({"origins": ["https://app.example/"]}, "https://app.example", True),
        ({"origins": ["https://app.example"]}, "http://app.example", False),
        ({"origins": ["*"]}, "https://any.example", True),
        ({"origins": ["null"]}, "null", True),
    ],
)
def test_pages_that_are_answered(options: dict[str, Any], origin: str, allowed: bool) -> None:
    assert gate(**options).allows_origin(origin) == allowed


def test_a_page_from_elsewhere_gets_nothing(server: Server) -> None:
    for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
        refused = httpx.get(f"{server.url}/version", headers=headers)
        assert refused.status_code == 403
        assert refused.json()["code"] in ("BadOrigin", "BadHost")
        assert "access-control-allow-origin" not in refused.headers
        refused = httpx.options(f"{server.url}/api/query", headers=headers)
        assert refused.status_code == 403


def test_nor_do_its_pictures_and_scripts(server: Server) -> None:
    query = f"{server.url}/api/query?path=counter:get&args={{}}"
    for site, mode, status in (
        ("cross-site", "no-cors", 403),
        ("same-site", "no-cors", 200),
        ("none", "navigate", 200),
        ("cross-site", "navigate", 200),
    ):
        headers = {"sec-fetch-site": site, "sec-fetch-mode": mode}
        assert httpx.get(query, headers=headers).status_code == status
    # A file is for whoever has its address.
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}
    assert httpx.get(f"{server.url}/api/storage/{'0' * 32}", headers=headers).status_code == 404


def test_nor_does_its_socket(server: Server) -> None:
    address = server.url.replace("http:", "ws:") + "/api/1.48.0/sync"
    with pytest.raises(InvalidStatus) as refused, connect(address, origin=Origin("https://evil.example")):
        pass
    assert refused.value.response.status_code == 403
    with connect(address, origin=Origin("http://localhost:5173")):
        pass


def test_a_page_of_this_machine_may_read_what_it_gets(server: Server) -> None:
    asked = {"origin": "http://localhost:5173", "access-control-request-headers": "authorization,convex-client"}
    allowed = httpx.options(f"{server.url}/api/query", headers=asked)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert allowed.headers["access-control-allow-credentials"] == "true"
    assert allowed.headers["access-control-allow-headers"] == "authorization,convex-client"
    assert "POST" in allowed.headers["access-control-allow-methods"]
    answered = httpx.get(f"{server.url}/version", headers={"origin": "http://localhost:5173"})
    assert answered.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "access-control-allow-origin" not in httpx.get(f"{server.url}/version").headers


def test_a_page_that_was_named_may_too(app: Deployment) -> None:
    server = app.serve(port=0, origins=["https://app.example"], hosts=["hub.example"])
    headers = {"origin": "https://app.example", "host": "hub.example"}
    assert httpx.get(f"{server.url}/version", headers=headers).status_code == 200
