"""One connection of the sync protocol: what a client follows and asks for, from its first message to its last."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from convex_nb.deployment.remote.query_set import State, Wanted
from convex_nb.deployment.remote.session_requests import SessionRequest
from convex_nb.language.describing import describe
from convex_nb.language.encoding import from_json
from convex_nb.language.errors import AuthenticationError, InvalidValueError
from convex_nb.server.messages import (
    Action,
    Add,
    Authenticate,
    BadMessageError,
    ClientMessage,
    Connect,
    Json,
    ModifyQuerySet,
    Mutation,
    decode,
    encode,
    encode_value,
    parts,
    result_fields,
    timestamp_text,
)

if TYPE_CHECKING:
    from convex_nb.deployment.remote.caller import Answer, Caller
    from convex_nb.server.encoded_results import EncodedResults

PING_SECONDS: Final = 15.0
"""A client that hears nothing for longer than twice this may think that the server is gone."""
MOST_WAITING: Final = 1000
"""Requests of one client that may wait."""
MOST_WAITING_CHARACTERS: Final = 64 << 20
"""What they may hold together."""
MOST_ACTIONS: Final = 64
SMALL: Final = 100_000
"""Messages up to this size are read where they arrive: they hold nobody up."""


class Socket(Protocol):
    """What a session talks through."""

    async def receive_text(self) -> str: ...
    async def send_text(self, text: str, /) -> None: ...


class Callers(Protocol):
    """Who a client can be."""

    def nobody(self) -> Caller: ...
    def of(self, message: Authenticate, /) -> Caller: ...


class Threads(Protocol):
    """Where functions run: never on the loop of the sockets."""

    @property
    def calls(self) -> Executor: ...
    @property
    def actions(self) -> Executor: ...
    @property
    def arrivals(self) -> Executor: ...


class EndedError(Exception):
    """The session is over: `code` and `reason` are those of the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


class Session:
    """Reads what the client sends, sends what it has to know: a task each for reading, changes, mutations and sending.

    Of each transition all results are of one moment. An answer is sent before the transition that shows its effect, and
    no more is run than the client takes: nothing is ever kept for it but the newest state and the answers it is owed.
    """

    def __init__(
        self, socket: Socket, callers: Callers, threads: Threads, results: EncodedResults, *, can_chunk: bool
    ) -> None:
        self._socket = socket
        self._callers = callers
        self._threads = threads
        self._results = results
        self._can_chunk = can_chunk
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._caller = callers.nobody()
        self._queries = self._caller.follow(self._wake_up)
        self._id: str | None = None
        # The newest versions that have been received.
        self._version = 0
        self._identity_version = 0
        # The queries that were removed, until a transition has said so.
        self._removed: deque[tuple[int, int]] = deque()
        self._changes: asyncio.Queue[tuple[int, Callable[[], None]]] = asyncio.Queue()
        self._mutations: asyncio.Queue[tuple[int, Mutation, dict[str, Any], Caller]] = asyncio.Queue()
        self._actions: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MOST_ACTIONS)
        self._waiting = 0
        self._waiting_characters = 0
        # Answers, and the moments that a transition after each has to show.
        self._outbox: deque[tuple[Json, int]] = deque()
        self._drained = asyncio.Event()
        self._drained.set()
        # The latest of those moments that is still to be shown. Clients take every answer as over when the transition
        # after it comes, be it empty.
        self._owed = -1
        self._sent = State(0, 0, 0, {})

    async def run(self) -> None:
        """Serve the client until it goes or is sent away. Raises `EndedError`, and what the socket raises."""
        tasks = [asyncio.ensure_future(each()) for each in (self._read, self._change, self._mutate, self._send)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, *self._actions):
                task.cancel()
            await asyncio.gather(*tasks, *self._actions, return_exceptions=True)
            self._queries.close()

    def _wake_up(self) -> None:
        # Called on any thread, after each commit: no more is done than must be.
        if not self._wake.is_set():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake.set)

    # -- reading -------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        while True:
            text = await self._socket.receive_text()
            try:
                message = decode(text)
                await self._handle(message, len(text))
            except BadMessageError as error:
                raise await self._fatal(str(error)) from None

    async def _handle(self, message: ClientMessage, size: int) -> None:
        if isinstance(message, Connect):
            if self._id is not None:
                raise BadMessageError("The client has said Connect before.")
            self._id = message.session_id
        elif self._id is None:
            raise BadMessageError("The first message of a client is Connect.")
        elif isinstance(message, Authenticate):
            await self._authenticate(message)
        elif isinstance(message, ModifyQuerySet):
            await self._check_expiry(self._caller)
            await self._modify(message, size)
        elif isinstance(message, Mutation):
            self._count(size)
            args = await self._arguments(message.args, size)
            self._mutations.put_nowait((size, message, args, self._caller))
        elif isinstance(message, Action):
            self._count(size)
            args = await self._arguments(message.args, size)
            await self._check_expiry(self._caller)
            task = asyncio.ensure_future(self._act(message, args, self._caller, size))
            self._actions.add(task)
            task.add_done_callback(self._actions.discard)

    async def _arguments(self, args: list[Any], size: int) -> dict[str, Any]:
        decoded: dict[str, Any] = _arguments(args) if size < SMALL else await self._in_thread(_arguments, args)
        return decoded

    def _count(self, size: int) -> None:
        self._waiting += 1
        self._waiting_characters += size
        if self._waiting > MOST_WAITING or self._waiting_characters > MOST_WAITING_CHARACTERS:
            raise EndedError(1013, "TooManyConcurrentMutations: requests come faster than they are served")

    def _uncount(self, size: int) -> None:
        self._waiting -= 1
        self._waiting_characters -= size

    async def _fatal(self, text: str) -> EndedError:
        await self._socket.send_text(encode({"type": "FatalError", "error": text}))
        return EndedError(1002, "BadMessage")

    # -- what is followed, and for whom --------------------------------------------------------------------------

    async def _modify(self, message: ModifyQuerySet, size: int) -> None:
        if message.base_version != self._version:
            raise BadMessageError(
                f"BaseVersionMismatch: the query set is at version {self._version}, not {message.base_version}."
            )
        if message.new_version <= message.base_version:
            raise BadMessageError("The new version of a query set is greater than the one before.")
        added: dict[int, Wanted] = {}
        removed: list[int] = []
        for each in message.modifications:
            if isinstance(each, Add):
                args = await self._arguments(each.args, size)
                added[each.query_id] = Wanted(each.query_id, each.path, args, each.journal)
            else:
                added.pop(each.query_id, None)
                removed.append(each.query_id)
        self._version = version = message.new_version
        self._removed += [(version, number) for number in removed]
        self._count(size)
        self._changes.put_nowait((size, lambda: self._queries.modify(version, added.values(), removed)))

    async def _authenticate(self, message: Authenticate) -> None:
        if message.base_version != self._identity_version:
            raise BadMessageError(
                f"BaseVersionMismatch: the identity is at version {self._identity_version}, not {message.base_version}."
            )
        try:
            self._caller = caller = await self._loop.run_in_executor(self._threads.arrivals, self._callers.of, message)
        except AuthenticationError as error:
            raise await self._refused(str(error), attempted=True) from None
        self._identity_version += 1
        version = self._identity_version
        self._count(0)
        self._changes.put_nowait((0, lambda: self._queries.act_for(version, caller.origin)))

    async def _refused(self, text: str, *, attempted: bool) -> EndedError:
        refusal = {
            "type": "AuthError",
            "error": text,
            "baseVersion": self._identity_version,
            "authUpdateAttempted": attempted,
        }
        await self._socket.send_text(encode(refusal))
        return EndedError(1000, "AuthError")

    async def _check_expiry(self, caller: Caller) -> None:
        # A client gets itself a new token in time, or it comes back with one.
        if caller.has_expired:
            raise await self._refused("The token that this client came with has expired.", attempted=False)

    async def _change(self) -> None:
        while True:
            size, change = await self._changes.get()
            await self._in_thread(change)
            self._uncount(size)

    # -- calls ---------------------------------------------------------------------------------------------------

    async def _mutate(self) -> None:
        while True:
            size, message, args, caller = await self._mutations.get()
            # A client that does not take its answers gets no more of them.
            await self._drained.wait()
            self._drained.clear()
            await self._check_expiry(caller)
            await self._in_thread(self._run_mutation, message, args, caller)
            self._uncount(size)

    def _run_mutation(self, message: Mutation, args: dict[str, Any], caller: Caller) -> None:
        queries = self._queries
        assert self._id is not None
        request = SessionRequest(self._id, message.request_id)
        waiting = self._mutations.qsize() + 1
        try:
            answer = caller.mutation(message.path, args, request, queries.committing, queue_length=waiting)
            answered = self._answered("MutationResponse", message.request_id, answer)
            answered["ts"] = None if answer.failure is not None else timestamp_text(answer.timestamp)
            # Before anybody can see its effect.
            self._outbox.append((answered, 0 if answer.failure is not None else answer.timestamp))
        finally:
            queries.committing(False)
            self._wake_up()
        caller.after_mutation()
        queries.arrive()

    async def _act(self, message: Action, args: dict[str, Any], caller: Caller, size: int) -> None:
        async with self._slots:
            answer = await self._loop.run_in_executor(self._threads.actions, caller.action, message.path, args)
            self._outbox.append((self._answered("ActionResponse", message.request_id, answer), 0))
            self._wake.set()
        self._uncount(size)

    @staticmethod
    def _answered(kind: str, request_id: int, answer: Answer) -> Json:
        failure = answer.failure
        if failure is None:
            fields = result_fields(encode_value(answer.value), answer.log_lines)
        else:
            fields = result_fields(failure.message, answer.log_lines, failure.data)
        return {"type": kind, "requestId": request_id, "success": failure is None, **fields}

    # -- sending -------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._wake.wait(), PING_SECONDS)
            except TimeoutError:
                await self._socket.send_text('{"type":"Ping"}')
                continue
            self._wake.clear()
            # In this order: what a state shows of a mutation was answered before.
            state = self._queries.state
            while self._outbox:
                message, promised = self._outbox.popleft()
                await self._socket.send_text(encode(message))
                self._owed = max(self._owed, promised)
            self._drained.set()
            await self._send_transition(state)

    async def _send_transition(self, state: State) -> None:
        sent = self._sent
        if state is sent and not 0 <= self._owed <= state.timestamp:
            return
        modifications = await self._in_thread(self._modifications, sent, state)
        while self._removed and self._removed[0][0] <= state.version:
            _, number = self._removed.popleft()
            if number not in state.outcomes:
                modifications.append({"type": "QueryRemoved", "queryId": number})
        versions = (state.version, state.identity_version)
        is_owed = 0 <= self._owed <= state.timestamp
        if not modifications and not is_owed and versions == (sent.version, sent.identity_version):
            self._sent = state._replace(timestamp=sent.timestamp)
            return
        if modifications:
            await self._check_expiry(self._caller)
        if is_owed:
            self._owed = -1
        self._sent = state
        text = encode(
            {
                "type": "Transition",
                "startVersion": _version(sent),
                "endVersion": _version(state),
                "modifications": modifications,
            }
        )
        for part in parts(text) if self._can_chunk else [text]:
            await self._socket.send_text(part)

    def _modifications(self, sent: State, state: State) -> list[Json]:
        modifications: list[Json] = []
        for number, outcome in state.outcomes.items():
            fields = self._results.fields(outcome, sent.outcomes.get(number), self._caller)
            if fields is not None:
                modifications.append({"queryId": number, **fields})
        return modifications

    async def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return await self._loop.run_in_executor(self._threads.calls, function, *args)


def _version(state: State) -> Mapping[str, Any]:
    return {
        "querySet": state.version,
        "identity": state.identity_version,
        "ts": timestamp_text(state.timestamp),
    }


def _arguments(args: list[Any]) -> dict[str, Any]:
    if len(args) > 1 or (args and not isinstance(args[0], dict)):
        raise BadMessageError(f"`args` is a list of one object, not {describe(args, 80)}.")
    try:
        value = from_json(args[0]) if args else {}
    except InvalidValueError as error:
        raise BadMessageError(f"The arguments could not be understood: {error}") from None
    assert isinstance(value, dict)
    return value
