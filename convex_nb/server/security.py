"""Who may knock: which names and pages a server on the user's own machine answers.

Any web page can send requests to a port of the machine that it is read on, and a name that its owner points there
makes it look like a page of that very server. So a request is answered only if it is for a name of this server, and
comes from no page, or from one of this machine, or from one that was named.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse, PlainTextResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})
FILES: Final = "/api/storage/"
"""What any page may show, if somebody has given it the address."""
METHODS: Final = "GET,POST,OPTIONS,PATCH,DELETE,PUT"


class Gate:
    """Turns away what is not for this server or comes from elsewhere; mirrors the origin of what it lets in.

    What `is_public`, HTTP actions, is for pages from everywhere: it sees to them itself. `origins` are as browsers send
    them, such as "https://app.example"; `hosts` are names, without port. `"*"` in either lets all in.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        origins: Iterable[str] = (),
        hosts: Iterable[str] = (),
        is_public: Callable[[Scope], bool] = lambda _: False,
    ) -> None:
        self._app = app
        self._is_public = is_public
        self._origins = frozenset([origin.rstrip("/").lower() for origin in origins])
        self._hosts = frozenset([each.lower() for each in hosts]) | LOCAL | {host.lower()}
        # Open to the network on purpose: an address cannot be pointed anywhere by somebody else, a name can.
        self._takes_addresses = host.lower() not in LOCAL

    def allows_host(self, header: str) -> bool:
        """Whether a `Host` header names this server."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        return name in self._hosts or "*" in self._hosts or (self._takes_addresses and _is_address(name))

    def allows_origin(self, origin: str) -> bool:
        """Whether a page of this origin may ask."""
        if origin.lower() in self._origins or "*" in self._origins:
            return True
        try:
            parts = urlsplit(origin)
            return parts.scheme in ("http", "https") and parts.hostname in LOCAL
        except ValueError:
            return False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get("origin")
        if not self.allows_host(headers.get("host", "")):
            await _refuse(scope, receive, send, "BadHost", _BAD_HOST)
        elif self._is_public(scope):
            await self._app(scope, receive, send)
        elif origin is None and _is_elsewhere(headers) and not scope["path"].startswith(FILES):
            await _refuse(scope, receive, send, "BadOrigin", _BAD_ORIGIN)
        elif origin is None:
            await self._app(scope, receive, send)
        elif not self.allows_origin(origin):
            await _refuse(scope, receive, send, "BadOrigin", _BAD_ORIGIN)
        elif scope["type"] == "http" and scope["method"] == "OPTIONS":
            answer = Response(status_code=200, headers=_preflight(headers, origin))
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, _mirroring(send, origin))


def _is_elsewhere(headers: dict[str, str]) -> bool:
    """Whether a page of another site has this fetched as its picture or script: without saying which page it is."""
    return headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate"


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _mirroring(send: Send, origin: str) -> Send:
    async def mirrored(message: Message) -> None:
        if message["type"] == "http.response.start":
            cors = [(name.encode(), value.encode("latin-1")) for name, value in _cors(origin).items()]
            message = {**message, "headers": [*message.get("headers", ()), *cors]}
        await send(message)

    return mirrored


def _cors(origin: str) -> dict[str, str]:
    return {"access-control-allow-origin": origin, "access-control-allow-credentials": "true", "vary": "origin"}


def _preflight(headers: dict[str, str], origin: str) -> dict[str, str]:
    asked = headers.get("access-control-request-headers")
    allowed = {"access-control-allow-headers": asked} if asked else {}
    return {
        **_cors(origin),
        **allowed,
        "access-control-allow-methods": METHODS,
        "access-control-max-age": "86400",
    }


async def _refuse(scope: Scope, receive: Receive, send: Send, code: str, text: str) -> None:
    answer = problem(403, code, text)
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": code})
            return
        await receive()
        await send({"type": "websocket.http.response.start", "status": 403, "headers": answer.raw_headers})
        await send({"type": "websocket.http.response.body", "body": answer.body})
        return
    await answer(scope, receive, send)


def problem(status: int, code: str, text: str) -> JSONResponse:
    """An error outside of any function."""
    return JSONResponse({"code": code, "message": text}, status)


def plain(text: str, status: int = 200) -> PlainTextResponse:
    """A line of text."""
    return PlainTextResponse(text, status)


_BAD_HOST: Final = (
    "This server answers requests for its own names only. If it has another name, say so where it is started: "
    'dep.serve(hosts=["name"]).'
)
_BAD_ORIGIN: Final = (
    "This server answers pages of this machine only. To let another page in, say so where it is started: "
    'dep.serve(origins=["https://app.example"]). A page that was opened from a file has the origin "null".'
)
