"""Convex's Python clients with a token: `python_auth.py URL TOKEN`."""

from __future__ import annotations

import sys

from convex import ConvexClient
from convex.http_client import ConvexHttpClient

url, token = sys.argv[1:]
for make in (ConvexClient, ConvexHttpClient):
    client = make(url)
    assert client.query("auth:who", {}) is None
    client.set_auth(token)
    assert client.query("auth:who", {}) == "ada"
    assert client.mutation("auth:note", {}) == "ada"
