"""The socket that a session talks through."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from convex_nb.server.client_version import client_version, invalid_version
from convex_nb.server.session import EndedError, Session

if TYPE_CHECKING:
    from convex_nb.server.services import Services

log: Final = logging.getLogger("convex_nb")


async def sync(socket: WebSocket, services: Services) -> None:
    """Serve one client until it goes."""
    text = socket.path_params.get("version") or socket.headers.get("convex-client")
    version = None if text is None else client_version(text)
    if text is not None and version is None:
        await socket.send_denial_response(invalid_version())
        return
    await socket.accept()
    session = Session(
        socket,
        services.callers,
        services.threads,
        services.results,
        can_chunk=version is not None and version.can_chunk,
    )
    code, reason = 1000, ""
    try:
        await session.run()
    except WebSocketDisconnect:
        return
    except EndedError as ended:
        code, reason = ended.code, ended.reason
    except KeyError:
        # A binary frame: starlette finds no text in it.
        code, reason = 1003, "BadMessage: frames are text"
    except Exception:
        log.exception("convex_nb: a connection of a client failed and was closed; the client will connect again")
        code, reason = 1011, "InternalServerError"
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(code, reason)
