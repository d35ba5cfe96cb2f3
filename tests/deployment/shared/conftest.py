"""A server for the tests here, or a word about why there is none."""

from __future__ import annotations

from tests.engine.postgres.fixtures import server as server, uri as uri
