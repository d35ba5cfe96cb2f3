"""The socket that a session talks through, and what version of the protocol its client speaks."""

from __future__ import annotations

import logging
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.websockets import WebSocket, WebSocketDisconnect

from convex_nb.server.security import problem
from convex_nb.server.session import EndedError, Session

if TYPE_CHECKING:
    from convex_nb.server.services import Services

log: Final = logging.getLogger("convex_nb")
_VERSION: Final = re.compile(r"(?:([a-z][a-z-]*)-)?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")
_CHUNKS_SINCE: Final = (1, 28)


class ClientVersion(NamedTuple):
    """Which client it is, such as "npm", and its version."""

    name: str
    major: int
    minor: int

    @property
    def can_chunk(self) -> bool:
        """Whether it puts the chunks of a long transition together."""
        return self.name == "npm" and (self.major, self.minor) >= _CHUNKS_SINCE


def client_version(text: str) -> ClientVersion | None:
    """Read `python-0.8.1`, or `1.48.0`, which is npm's; `None` for anything else."""
    match = _VERSION.fullmatch(text) if len(text) <= 100 else None
    return None if match is None else ClientVersion(match[1] or "npm", int(match[2]), int(match[3]))


async def sync(socket: WebSocket, services: Services) -> None:
    """Serve one client until it goes."""
    text = socket.path_params.get("version") or socket.headers.get("convex-client")
    version = None if text is None else client_version(text)
    if text is not None and version is None:
        answer = problem(400, "InvalidVersion", "The version of the client could not be understood.")
        await socket.send_denial_response(answer)
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
