"""HTTP actions over HTTP: the site's own port, and `/http/` on the other one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse, StreamingResponse

from convex_nb.language.errors import ConvexNbError
from convex_nb.server.http_api import Refused, read_body
from convex_nb.server.security import plain

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from convex_nb.functions.http.messages import Response
    from convex_nb.server.services import Services

LARGEST: Final = 20 << 20
"""Of a request's body, in bytes."""
PREFIX: Final = "/http"


def is_for_site(scope: Scope, site_port: int) -> bool:
    """Whether a request is for an HTTP action."""
    path: str = scope["path"]
    return scope["type"] == "http" and (_port(scope) == site_port or path == PREFIX or path.startswith(f"{PREFIX}/"))


def _port(scope: Scope) -> int | None:
    server = scope.get("server")
    return None if server is None else server[1]


class Site:
    """Sends requests for HTTP actions there, all others to the API."""

    def __init__(self, api: ASGIApp, services: Services, site_port: int, site_url: str) -> None:
        self._api = api
        self._services = services
        self._site_port = site_port
        self._site_url = site_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not is_for_site(scope, self._site_port):
            await (self._api if _port(scope) != self._site_port else _nothing)(scope, receive, send)
            return
        request = WebRequest(scope, receive)
        try:
            body = await read_body(request, LARGEST)
        except Refused as refused:
            await refused.response(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        try:
            response = await self._services.run_action(
                self._services.respond, self._url(scope), scope["method"], headers, body
            )
        except ConvexNbError as error:
            await plain(str(error), 503)(scope, receive, send)
            return
        await self._sent(response)(scope, receive, send)

    def _url(self, scope: Scope) -> str:
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1").partition("?")[0]
        if _port(scope) != self._site_port:
            path = path.removeprefix(PREFIX) or "/"
        query = scope["query_string"].decode("latin-1")
        return f"{self._site_url}{path}" + (f"?{query}" if query else "")

    @staticmethod
    def _sent(response: Response) -> WebResponse:
        if response.pieces is None:
            sent = WebResponse(response.bytes(), response.status)
        else:
            # Starlette takes each piece on a thread of its own: whatever makes them holds nobody up.
            sent = StreamingResponse(_pieces(response), response.status)
        length = [(name, value) for name, value in sent.raw_headers if name == b"content-length"]
        fields = [(name.encode(), value.encode("latin-1")) for name, value in response.headers.items_to_send()]
        sent.raw_headers = [*[field for field in fields if field[0] != b"content-length"], *length]
        return sent


def _pieces(response: Response) -> Iterator[bytes]:
    yield from response.encoded_pieces()


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})
