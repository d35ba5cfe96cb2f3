"""A log sink far away: batches of events, signed, posted to an address."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.error import HTTPError, URLError

from convex_nb.functions.logs.sinks import EndingSink
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.services.authentication.providers import problem_of_address

if TYPE_CHECKING:
    from convex_nb.functions.logs.events import Event

Form: TypeAlias = Literal["json", "jsonl"]

MOST_EVENTS: Final = 4096
"""So many wait to be posted; beyond that the oldest are dropped."""
FLUSH_SECONDS: Final = 10.0
"""Between two batches."""
TIMEOUT_SECONDS: Final = 10.0
TRIES: Final = 3
HEADER: Final = "x-webhook-signature"

log: Final = logging.getLogger("convex_nb")


def signature(secret: str, body: bytes) -> str:
    """What the header `x-webhook-signature` says: by it a receiver knows that whoever has the secret sent the body."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


class Webhook(EndingSink):
    """Posts events as a JSON array or as lines of JSON, on a thread of its own; some may be lost, or come twice.

    `secret` is made up if none is given. The first event is one of the topic `verification`. Raises `InvalidValueError`
    for an address that is neither https:// nor on this machine.
    """

    def __init__(
        self, url: str, secret: str | None = None, form: Form = "json", deployment: Callable[[], Event] = dict
    ) -> None:
        problem = problem_of_address(url)
        if problem is not None:
            raise InvalidValueError(
                f"The address of a log sink {problem}, which {describe(url, 80)} is not.", value=url
            )
        if form not in ("json", "jsonl"):
            raise InvalidValueError(f'The form of a webhook is "json" or "jsonl", not {form!r}.', value=form)
        self.url: Final = url
        self.secret: Final = secret or secrets.token_hex(32)
        self._form = form
        self.flush_seconds = FLUSH_SECONDS
        self.failed = 0
        """Events that were given up, or dropped."""
        self._waiting: deque[Event] = deque()
        self._lock = threading.Lock()
        self._due = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        message = "This address gets the log of a convex_nb deployment."
        now = int(time.time() * 1e3)
        self([{"topic": "verification", "timestamp": now, "convex": deployment(), "message": message}])

    def __repr__(self) -> str:
        return f"Webhook({self.url!r})"

    def __call__(self, events: list[Event]) -> None:
        """Let events be posted with the next batch. Never waits for the network."""
        with self._lock:
            self._waiting.extend(events)
            while len(self._waiting) > MOST_EVENTS:
                self._waiting.popleft()
                self.failed += 1
            if self._thread is None and not self._closed.is_set():
                self._thread = threading.Thread(target=self._run, name="convex_nb webhook", daemon=True)
                self._thread.start()
        self._due.set()

    def close(self) -> None:
        """Post what waits, once, within some seconds, and end."""
        self._closed.set()
        self._due.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(TIMEOUT_SECONDS / 2)

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            with self._lock:
                events = list(self._waiting)
                self._waiting.clear()
            if events:
                self._deliver(events)
            if self._closed.is_set() and not self._waiting:
                return
            self._closed.wait(self.flush_seconds)

    def _deliver(self, events: list[Event]) -> None:
        body = self._body(events)
        for attempt in range(TRIES):
            try:
                self._post(body)
                return
            except (OSError, HTTPException, ValueError) as error:
                problem = _said(error)
            if self._closed.wait(2**attempt):
                # One who closes does not wait for a server that is away.
                break
        self.failed += len(events)
        log.warning(
            "convex_nb: %d log events were not taken by %s and are given up: %s", len(events), self.url, problem
        )

    def _body(self, events: list[Event]) -> bytes:
        if self._form == "json":
            text = json.dumps(events)
        else:
            text = "".join([json.dumps(event) + "\n" for event in events])
        return text.encode()

    def _post(self, body: bytes) -> None:
        # HTTP takes long to import, and most deployments need none.
        from urllib.request import Request

        content = "application/json" if self._form == "json" else "application/x-ndjson"
        headers = {"Content-Type": content, "User-Agent": "convex-nb", HEADER: signature(self.secret, body)}
        with _opener().open(Request(self.url, body, headers, method="POST"), timeout=TIMEOUT_SECONDS) as answer:
            answer.read(1 << 16)


def _opener() -> Any:
    from urllib.request import HTTPRedirectHandler, build_opener

    class Staying(HTTPRedirectHandler):
        """The log goes to the address that was given, and nowhere else."""

        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    return build_opener(Staying)


def _said(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return f"it answered {error.code}"
    return str(error.reason if isinstance(error, URLError) else error) or type(error).__name__
