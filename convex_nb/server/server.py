"""A running server: its ports, its thread, and its end."""

from __future__ import annotations

import atexit
import errno
import html
import logging
import os
import secrets
import socket
import threading
from collections.abc import Iterable
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import uvicorn

from convex_nb.deployment.remote.remote import Remote
from convex_nb.deployment.worker import HAS_THREADS
from convex_nb.language.errors import InvalidValueError, ServingError
from convex_nb.server.app import make_app
from convex_nb.server.security import Gate
from convex_nb.server.services import Services

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment

PORT: Final = 3210
"""Where a deployment on one's own machine is, as Convex's own tools have it; its HTTP actions are one above."""
LARGEST_FRAME: Final = 24 << 20
"""Of a client's messages, in bytes: arguments of 16 MiB fit, encoded."""
PING_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 120.0
"""A client that answers no ping for so long is gone."""
_GRACE_SECONDS: Final = 2

# Said of each WebSocket that was refused, on purpose, as of those of pages from elsewhere.
_REFUSED: Final = "ASGI callable returned without completing handshake."
logging.getLogger("uvicorn.error").addFilter(lambda record: record.msg != _REFUSED)


class Server:
    """Lets Convex clients in. Runs on a daemon thread with its own loop; functions run on threads beside it.

    `url` is what clients are given, `site_url` where HTTP actions are. Only requests from this machine are taken unless
    `host` says otherwise, only for its own names (and `hosts`), and from browsers only for pages of this machine (and
    of `origins`, such as "https://app.example"). Who has the `admin_key` may do what the owner may. It closes with the
    deployment.
    """

    def __init__(
        self,
        deployment: Deployment,
        port: int | None = None,
        *,
        host: str = "127.0.0.1",
        site_port: int | None = None,
        origins: Iterable[str] = (),
        hosts: Iterable[str] = (),
        admin_key: str | None = None,
        usual_port: int = PORT,
    ) -> None:
        if not HAS_THREADS:
            raise ServingError("Nothing can be served here: this Python has no threads.", port=port or 0)
        remote = Remote(deployment)
        self.admin_key: Final = admin_key or f"{remote.name}|{secrets.token_hex(32)}"
        self.host: Final = host
        self._remote = remote
        self._closed = False
        listener = _listen(host, port, usual_port)
        try:
            self.port: int = listener.getsockname()[1]
            site = _listen(host, site_port, self.port + 1)
        except BaseException:
            listener.close()
            raise
        self.site_port: int = site.getsockname()[1]
        self._sockets = [listener, site]
        self._services = Services(remote, self.admin_key)
        gate = partial(Gate, host=host, origins=tuple(origins), hosts=tuple(hosts))
        started = threading.Event()
        app = make_app(self._services, gate, started.set, self.site_port, self.site_url)
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=LARGEST_FRAME,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=SILENCE_SECONDS,
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            server_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="convex_nb server", daemon=True)
        self._thread.start()
        started.wait(10)
        remote.doors.append(self)
        remote.variables.update(CONVEX_CLOUD_URL=self.url, CONVEX_SITE_URL=self.site_url)
        # Has queries that gave out other addresses run again.
        remote.files.url_base = self.url
        self._services.threads.calls.submit(remote.sweep)
        atexit.register(self.close)

    @classmethod
    def open(cls, deployment: Deployment, port: int | None = None, **options: Any) -> Self:
        """The deployment's server: the one that is there if it is as asked for, else a new one in its place."""
        asked = (port, dict(options))
        former = deployment.server
        if not isinstance(former, cls):
            former = None
        elif options == former._asked[1] and port in (None, former.port, former._asked[0]):
            return former
        elif port in (None, former.port):
            former.close()
            options["usual_port"] = former.port
            options["admin_key"] = options.get("admin_key") or former.admin_key
        server = cls(deployment, port, **options)
        server._asked = asked
        if former is not None:
            former.close()
        return server

    _asked: tuple[int | None, dict[str, Any]] = (None, {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Server at {self.url}{', closed' if self._closed else ''}>"

    def _repr_html_(self) -> str:
        url = html.escape(self.url)
        if self._closed:
            return f"<p>Server at {url}, closed</p>"
        return f"<p>Convex clients connect to <code>{url}</code>; HTTP actions are at <code>{self.site_url}</code>.</p>"

    @property
    def url(self) -> str:
        """What clients are given: `new ConvexClient(url)`."""
        return f"http://{_shown(self.host)}:{self.port}"

    @property
    def site_url(self) -> str:
        """Where HTTP actions are."""
        return f"http://{_shown(self.host)}:{self.site_port}"

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._closed

    def _run(self) -> None:
        try:
            self._server.run(self._sockets)
        finally:
            for each in self._sockets:
                each.close()

    def close(self) -> None:
        """Send the clients away and free the ports. They will look for the server again from time to time."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        if self in self._remote.doors:
            self._remote.doors.remove(self)
        if self._remote.files.url_base == self.url:
            self._remote.variables.clear()
            self._remote.files.url_base = None
        self._server.should_exit = True
        if threading.current_thread() is not self._thread:
            self._thread.join(_GRACE_SECONDS + 3)
        self._services.threads.close()


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::", ""):
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _listen(host: str, port: int | None, usual: int) -> socket.socket:
    """A socket that listens at a port; with no port given at the usual one, or at any if that is taken."""
    if port is not None and not (isinstance(port, int) and 0 <= port < 65536):
        raise InvalidValueError(f"A port is a number from 0 to 65535, not {port!r}. Nothing is served.", value=port)
    candidates = [usual, 0] if port is None else [port]
    for candidate in candidates:
        # With the protocol named, which asyncio looks at before it turns Nagle's algorithm off: 40 ms a message.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            if os.name == "posix":
                # So that a port is free as soon as its server is gone; elsewhere it would let two servers have one.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, candidate))
            listener.listen(2048)
        except (OSError, OverflowError) as error:
            listener.close()
            if candidate == candidates[-1]:
                raise _cannot_listen(host, candidate, error) from None
        else:
            return listener
    raise AssertionError


def _cannot_listen(host: str, port: int, error: Exception) -> ServingError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        reason = f"port {port} is taken, perhaps by another notebook. Leave `port` out, or give another one"
    else:
        reason = f"port {port} of {host} cannot be used: {error}"
    return ServingError(f"Nothing is served: {reason}.", port=port)
