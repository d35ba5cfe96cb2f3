"""The routes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute

from convex_nb._version import __version__
from convex_nb.server.admin_api import AdminApi
from convex_nb.server.http_actions import Site, is_for_site
from convex_nb.server.http_api import HttpApi, guarded, json_response
from convex_nb.server.security import Gate, plain
from convex_nb.server.storage import Storage
from convex_nb.server.streaming_import import StreamingImport
from convex_nb.server.sync import sync

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

    from convex_nb.server.services import Services


def make_app(
    services: Services, gate: Callable[..., Gate], started: Callable[[], object], site_port: int, site_url: str
) -> Gate:
    """Put an application together; `started` is called on its loop. HTTP actions are at `site_url`."""

    async def serve_sync(socket: WebSocket) -> None:
        await sync(socket, services)

    async def echo(request: Request) -> Response:
        return Response(await request.body())

    async def describe(_: Request) -> Response:
        return json_response(await services.run(services.remote.openapi))

    async def say(text: str, _: Request) -> Response:
        return plain(text)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        started()
        yield

    routes = [
        *HttpApi(services).routes,
        *Storage(services).routes,
        *AdminApi(services).routes,
        *StreamingImport(services).routes,
        guarded("/openapi.json", describe, ["GET"]),
        WebSocketRoute("/api/sync", serve_sync),
        WebSocketRoute("/api/{version}/sync", serve_sync),
        Route("/", partial(say, "This Convex deployment is running. Clients connect to this address.")),
        Route("/version", partial(say, __version__)),
        Route("/instance_version", partial(say, __version__)),
        Route("/instance_name", partial(say, services.remote.name)),
        Route("/echo", echo, methods=["POST"]),
    ]
    api = Starlette(routes=routes, lifespan=lifespan)
    return gate(Site(api, services, site_port, site_url), is_public=partial(is_for_site, site_port=site_port))
