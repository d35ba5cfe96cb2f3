"""The front door for Convex's own clients: HTTP, and WebSockets that follow queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convex_nb.language.errors import MissingDependencyError

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.server.server import Server


def open_server(deployment: Deployment, port: int | None, **options: Any) -> Server:
    """Serve a deployment: see `Server.open`."""
    try:
        from convex_nb.server.server import Server
    except ImportError as error:
        raise MissingDependencyError(
            f"Serving needs a package that is not installed: {error.name}. Nothing is served. Install the extra: "
            "pip install 'convex-nb[server]'",
            package=error.name or "",
        ) from error
    return Server.open(deployment, port, **options)
