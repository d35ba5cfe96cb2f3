"""Convex's own clients, run against a served deployment: the npm package in node, the PyPI package in a process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from convex_nb import Deployment
from convex_nb.server.server import Server
from tests.server.app import get_counter, open_app

ROOT = Path(__file__).parent.parent.parent
MODULES = ROOT / "build" / "clients" / "node_modules"
SCRIPTS = Path(__file__).parent / "clients"

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node here")


@pytest.fixture(scope="session")
def modules() -> Path:
    if not (MODULES / "convex").exists():
        subprocess.run([ROOT / "scripts" / "install-clients"], check=True)
    if not (MODULES / "convex").exists():
        pytest.skip("Convex's clients could not be installed: scripts/install-clients says why")
    return MODULES


def start(script: str, server: Server, modules: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["node", SCRIPTS / f"{script}.mjs", server.url],
        env={**os.environ, "CONVEX_NB_NODE_MODULES": str(modules)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_python(url: str) -> None:
    subprocess.run([sys.executable, str(SCRIPTS / "python_client.py"), url], check=True, timeout=60)


def hear(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line == f"{word}\n":
            return
    raise AssertionError(f"it never said {word!r}")


def finish(process: subprocess.Popen[str]) -> None:
    try:
        said, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert said.endswith("done\n"), said + errors


@needs_node
@pytest.mark.parametrize("script", ["live", "http", "pages", "react"])
def test_the_clients_of_npm(script: str, server: Server, modules: Path) -> None:
    finish(start(script, server, modules))


@needs_node
def test_a_client_comes_back_to_a_server_that_was_gone(app: Deployment, modules: Path) -> None:
    server = app.serve(port=0)
    assert isinstance(server, Server)
    process = start("reconnect", server, modules)
    assert process.stdin is not None
    hear(process, "connected")
    server.close()
    app.mutation("counter:add", by=100)
    process.stdin.write("gone\n")
    process.stdin.flush()
    hear(process, "asked")
    again = app.serve(port=server.port)
    try:
        finish(process)
    finally:
        again.close()
    assert app.query(get_counter) == 102


def test_the_client_of_pypi(server: Server) -> None:
    pytest.importorskip("convex")
    # In a process of its own: it keeps the interpreter's lock while it waits for the server.
    run_python(server.url)


def test_the_client_of_pypi_in_production() -> None:
    pytest.importorskip("convex")
    with open_app(mode="prod") as app:
        run_python(app.serve(port=0).url)
