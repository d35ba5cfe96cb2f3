"""What all requests of a server share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from convex_nb.language.errors import AuthenticationError
from convex_nb.server.callers import Callers
from convex_nb.server.encoded_results import EncodedResults

if TYPE_CHECKING:
    from convex_nb.deployment.remote.caller import Caller
    from convex_nb.deployment.remote.remote import Remote
    from convex_nb.functions.http.messages import Response

P = ParamSpec("P")
T = TypeVar("T")

MOST_CALLS: Final = 16
"""Queries and mutations that run at once."""
MOST_ACTIONS: Final = 64
MOST_ARRIVALS: Final = 4


class Threads:
    """Where functions run: an action that waits for a service elsewhere takes no place from a query."""

    def __init__(self) -> None:
        self.calls = ThreadPoolExecutor(MOST_CALLS, "convex_nb server")
        self.actions = ThreadPoolExecutor(MOST_ACTIONS, "convex_nb server action")
        # Who somebody is may have to be asked of an issuer far away: no call waits behind that.
        self.arrivals = ThreadPoolExecutor(MOST_ARRIVALS, "convex_nb server arrival")

    def close(self) -> None:
        """Run nothing more; what runs runs to its end."""
        self.calls.shutdown(wait=False, cancel_futures=True)
        self.actions.shutdown(wait=False, cancel_futures=True)
        self.arrivals.shutdown(wait=False, cancel_futures=True)


class Services:
    """The deployment, who calls it, and where."""

    def __init__(self, remote: Remote, admin_key: str) -> None:
        self.remote = remote
        self.callers = Callers(remote, admin_key)
        self.results = EncodedResults()
        self.threads = Threads()

    def respond(self, url: str, method: str, headers: list[tuple[str, str]], body: bytes) -> Response:
        """What an HTTP action answers. A token that is not good is its own matter."""
        authorization = next((value for name, value in headers if name == "authorization"), None)
        try:
            caller: Caller | AuthenticationError = self.callers.of_header(authorization)
        except AuthenticationError as error:
            caller = error
        return self.remote.respond(url, method, headers, body, caller)

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that takes time without holding up the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads.calls, lambda: function(*args, **kwargs))

    async def caller(self, header: str | None) -> Caller:
        """Whoever a request with this `Authorization` header is from. Raises `AuthenticationError`."""
        if header is None:
            return self.callers.nobody()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads.arrivals, self.callers.of_header, header)

    async def run_action(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same for an action."""
        return await asyncio.get_running_loop().run_in_executor(self.threads.actions, lambda: function(*args, **kwargs))
