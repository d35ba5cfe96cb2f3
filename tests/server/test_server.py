from __future__ import annotations

import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

import convex_nb
from convex_nb import ConvexNbError, Deployment, DeploymentClosedError, InvalidValueError, QueryCtx, query
from convex_nb.server.server import Server
from tests.server.app import add_to_counter, get_counter, open_app
from tests.server.wire import Wire


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "convex_nb server"]


def test_it_says_where_it_is_and_answers(app: Deployment, server: Server) -> None:
    assert repr(server) == f"<Server at {server.url}>"
    assert server.url in server._repr_html_()
    assert server.admin_key.startswith("memory|")
    assert server.admin_key not in repr(server) + server._repr_html_()
    for path, text in (("/version", convex_nb.__version__), ("/instance_name", "memory")):
        assert httpx.get(server.url + path).text == text
    assert "running" in httpx.get(server.url).text
    assert httpx.post(f"{server.url}/echo", content=b"\x00x").content == b"\x00x"


def test_it_closes_with_the_deployment(app: Deployment) -> None:
    server = app.serve(port=0)
    assert threads()
    with Wire(server) as wire:
        wire.follow("counter:get")
        app.close()
        assert wire.end() == (None, 1012)
    assert threads() == []
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url)
    assert "closed" in repr(server)
    with pytest.raises(DeploymentClosedError):
        app.serve()


def test_serving_again_is_serving_once(app: Deployment) -> None:
    first = app.serve(port=0)
    assert isinstance(first, Server)
    assert app.serve(port=0) is first
    assert app.serve() is first
    second = app.serve(origins=["https://app.example"])
    assert second is not first
    assert second.url == first.url
    assert len(threads()) == 1
    assert second.admin_key == first.admin_key
    with pytest.raises(ConvexNbError, match="A port is a number"):
        app.serve(port=-1)
    assert app.server is second
    other = app.serve(port=0)
    assert app.server is other
    with pytest.raises(httpx.ConnectError):
        httpx.get(second.url)
    other.close()
    other.close()
    assert app.server is None
    third = app.serve(port=first.port)
    assert app.serve(port=first.port) is third
    assert third.url == first.url
    assert httpx.get(third.url).status_code == 200


def test_a_second_kernel_gets_another_port(app: Deployment) -> None:
    with convex_nb.open() as other:
        assert other.serve().url != app.serve().url


def test_a_port_that_is_taken_is_named(app: Deployment) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConvexNbError, match=rf"Nothing is served: port {port} is taken"):
            app.serve(port=port)
    assert httpx.get(app.serve(port=port).url).status_code == 200


@pytest.mark.parametrize("port", [-1, 70_000, "3210", 3.5])
def test_a_port_is_a_number(app: Deployment, port: Any) -> None:
    with pytest.raises(InvalidValueError, match="A port is a number"):
        app.serve(port=port)


def test_a_host_that_is_not_here(app: Deployment) -> None:
    with pytest.raises(ConvexNbError, match=r"port 0 of 203\.0\.113\.1 cannot be used"):
        app.serve(port=0, host="203.0.113.1")


def test_a_process_that_serves_ends_when_its_script_does() -> None:
    script = "import convex_nb; print(convex_nb.open().serve(port=0).url)"
    ended = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("http://127.0.0.1:")


def test_a_missing_extra_is_named(app: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "convex_nb.server.server", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'convex-nb\[server\]'"):
        app.serve(port=0)


def test_a_file_that_is_only_read_is_served_too(tmp_path: Path) -> None:
    place = tmp_path / "app.convex"
    with open_app(path=place) as app:
        app.mutation("counter:add")
    with convex_nb.open(place, read_only=True) as reader:
        reader.register(get_counter, add_to_counter)
        with Wire(reader.serve(port=0)) as wire:
            number = wire.follow("counter:get")
            assert wire.values[number] == 1
            assert not wire.mutation("counter:add")["success"]


def test_functions_know_where_they_are_served(app: Deployment) -> None:
    @query("site:url")
    def site_url(ctx: QueryCtx) -> str | None:
        return ctx.env.get("CONVEX_SITE_URL")

    app.register(site_url)
    seen: list[str | None] = []
    app.subscribe(site_url, {}, seen.append)
    server = app.serve(port=0)
    app.env["CONVEX_SITE_URL"] = "https://hub.example/site"
    del app.env["CONVEX_SITE_URL"]
    server.close()
    assert seen == [None, server.site_url, "https://hub.example/site", server.site_url, None]
    assert dict(app.env) == {}
