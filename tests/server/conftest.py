"""A served application, and the wire to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from convex_nb import Deployment
from convex_nb.server.server import Server
from tests.server.app import open_app


@pytest.fixture
def app() -> Iterator[Deployment]:
    deployment = open_app()
    yield deployment
    deployment.close()


@pytest.fixture
def server(app: Deployment) -> Server:
    server = app.serve(port=0)
    assert isinstance(server, Server)
    return server
