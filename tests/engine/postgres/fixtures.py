"""The server that tests share, and a new database in it for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.postgres.server import Server, running_server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A private PostgreSQL server."""
    with running_server() as running:
        if running is None:
            pytest.skip("there is no PostgreSQL here: scripts/install-postgres installs it")
        yield running


@pytest.fixture
def uri(server: Server) -> str:
    """The address of a new, empty database."""
    return server.new_database()
