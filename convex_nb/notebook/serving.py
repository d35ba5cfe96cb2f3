"""`%convex serve`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from convex_nb.views.card import Card, Part

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment


def serve(deployment: Deployment, *rest: str) -> Card:
    """Let apps connect by HTTP and WebSocket, at `PORT` or at the usual one; `stop` ends it."""
    word = rest[0].strip() if rest else ""
    if word == "stop":
        server = deployment.server
        if server is None:
            return Card([[("plain", "nothing was served")]])
        server.close()
        return Card([[("plain", "no longer served:"), ("code", server.url)]])
    if word and not word.isdecimal():
        raise UsageError(f"%convex serve takes nothing after it, a port, or `stop`, not {word!r}. See %convex help.")
    server = deployment.server
    if server is None or word:
        server = deployment.serve(int(word) if word else None)
    lines: list[list[Part]] = [
        [("plain", "apps connect to"), ("code", server.url)],
        [("soft", "HTTP actions:"), ("code", server.site_url)],
        [("soft", "JavaScript:"), ("code", f'new ConvexClient("{server.url}")')],
        [("soft", "end it:"), ("code", "%convex serve stop")],
    ]
    return Card(lines)
