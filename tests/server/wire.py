"""A client of the sync protocol that speaks it message by message, and checks what no message may violate."""

from __future__ import annotations

import itertools
import json
import struct
from base64 import b64decode
from types import TracebackType
from typing import Any, Protocol, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.until import PATIENCE

START: dict[str, Any] = {"querySet": 0, "identity": 0, "ts": "AAAAAAAAAAA="}
_sessions = itertools.count()


def nanoseconds(text: str) -> int:
    value: int = struct.unpack("<Q", b64decode(text))[0]
    return value


class Served(Protocol):
    """Anything that has an address."""

    @property
    def url(self) -> str: ...


class Wire:
    """One connection. Transitions are put together to `values` and `errors` by query."""

    def __init__(self, server: Served, session: str | None = None, version: str = "1.48.0") -> None:
        address = server.url.replace("http:", "ws:") + (f"/api/{version}/sync" if version else "/api/sync")
        self._context = connect(address, max_size=None)
        self.socket: ClientConnection
        self.session = session or f"session {next(_sessions)}"
        self.version = START
        self.values: dict[int, Any] = {}
        self.errors: dict[int, dict[str, Any]] = {}
        self.answers: dict[int, dict[str, Any]] = {}
        self.journals: dict[int, str | None] = {}
        self.messages: list[dict[str, Any]] = []
        self.transitions = 0
        self._queries = itertools.count()
        self._requests = itertools.count()
        self._chunks: list[str] = []

    def __enter__(self) -> Self:
        self.socket = self._context.__enter__()
        self.connect()
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._context.__exit__(error_type, error, traceback)

    def connect(self) -> None:
        self.send("Connect", sessionId=self.session, connectionCount=0, lastCloseReason="InitialConnect", clientTs=0)

    def send(self, type: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": type, **fields}))

    # -- what a client does --------------------------------------------------------------------------------------

    def add(self, *wanted: tuple[str, dict[str, Any]], journal: str | None = None) -> list[int]:
        """Follow queries, from one moment on; their numbers."""
        numbers = [next(self._queries) for _ in wanted]
        added = [
            {"type": "Add", "queryId": number, "udfPath": path, "args": [args], "journal": journal}
            for number, (path, args) in zip(numbers, wanted, strict=True)
        ]
        self.modify(*added)
        return numbers

    def modify(self, *modifications: dict[str, Any]) -> None:
        base = self.asked = getattr(self, "asked", 0)
        self.asked = base + 1
        self.send("ModifyQuerySet", baseVersion=base, newVersion=self.asked, modifications=modifications)

    def follow(self, path: str, **args: Any) -> int:
        (number,) = self.add((path, args))
        self.until(lambda: number in self.values or number in self.errors)
        return number

    def ask(self, kind: str, path: str, request: int | None = None, **args: Any) -> int:
        """Send a mutation or an action; its number."""
        number = next(self._requests) if request is None else request
        self.send(kind, requestId=number, udfPath=path, args=[args])
        return number

    def mutation(self, path: str, request: int | None = None, **args: Any) -> dict[str, Any]:
        """Run a mutation as clients do: it is over when a transition at or after its commit has come."""
        number = self.ask("Mutation", path, request, **args)
        answer = self.until(lambda: self.answers.pop(number, None))
        if answer["success"]:
            before = self.transitions
            while self.transitions == before or nanoseconds(self.version["ts"]) < nanoseconds(answer["ts"]):
                self.receive()
        assert isinstance(answer, dict)
        return answer

    def action(self, path: str, **args: Any) -> dict[str, Any]:
        number = self.ask("Action", path, **args)
        answer = self.until(lambda: self.answers.pop(number, None))
        assert isinstance(answer, dict)
        return answer

    # -- what it hears -------------------------------------------------------------------------------------------

    def until(self, condition: Any) -> Any:
        while not (found := condition()):
            self.receive()
        return found

    def receive(self, timeout: float = PATIENCE) -> dict[str, Any]:
        """Take the next message in."""
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=timeout))
        self.messages.append(message)
        kind = message["type"]
        if kind == "TransitionChunk":
            assert message["partNumber"] == len(self._chunks)
            self._chunks.append(message["chunk"])
            if len(self._chunks) == message["totalParts"]:
                whole, self._chunks = "".join(self._chunks), []
                self._take(json.loads(whole))
        else:
            assert not self._chunks or kind == "Ping", "something came between the chunks of a transition"
        if kind == "Transition":
            self._take(message)
        elif kind in ("MutationResponse", "ActionResponse"):
            assert isinstance(message["logLines"], list)
            self.answers[message["requestId"]] = message
        return message

    def _take(self, transition: dict[str, Any]) -> None:
        start, end = transition["startVersion"], transition["endVersion"]
        assert start == self.version, "a transition does not begin where the last one ended"
        for part in ("querySet", "identity"):
            assert start[part] <= end[part]
        assert nanoseconds(start["ts"]) <= nanoseconds(end["ts"])
        self.version = end
        self.transitions += 1
        for each in transition["modifications"]:
            number = each["queryId"]
            self.values.pop(number, None)
            self.errors.pop(number, None)
            if each["type"] == "QueryRemoved":
                continue
            assert isinstance(each["logLines"], list)
            self.journals[number] = each["journal"]
            if each["type"] == "QueryUpdated":
                self.values[number] = each["value"]
            else:
                self.errors[number] = each

    def end(self) -> tuple[str | None, int | None]:
        """Receive until the server closes: the text of its fatal error, and the close frame's code."""
        try:
            while True:
                self.receive()
        except ConnectionClosed as closed:
            fatal = [message["error"] for message in self.messages if message["type"] in ("FatalError", "AuthError")]
            return (fatal[-1] if fatal else None), None if closed.rcvd is None else closed.rcvd.code
