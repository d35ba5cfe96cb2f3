"""One call of a function, as long as it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from math import inf
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.transaction import OVER
from convex_nb.functions.origin import ADMINISTRATOR
from convex_nb.language.errors import LimitError, ReadOnlyError
from convex_nb.language.qualified_names import qualified

if TYPE_CHECKING:
    from convex_nb.engine.committer import Conflict
    from convex_nb.engine.transaction import Transaction
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.determinism.randomness import Sources
    from convex_nb.functions.logs.execution_log import Line
    from convex_nb.functions.origin import Origin
    from convex_nb.functions.registry import Ran
    from convex_nb.functions.runner import Runner

MOST_NESTED: Final = 64
"""How deep `ctx.run_query` and `ctx.run_mutation` may call one another."""


class Execution:
    """What all contexts of one top-level call share: its transaction, its frozen time, its randomness, its output.

    An action has no transaction. `now_ms` is the time at which it began; `reads_clock` tells whether user code has
    looked at it, `reads_identity` whether it has asked whom the call is for. `number` is the call's own, `request` that
    of the call from outside that it belongs to. `ran` is the code that a query's result rests on, where it can change.
    """

    __slots__ = (
        "_random",
        "_seed",
        "committed_at",
        "component",
        "conflict",
        "deadline",
        "depth",
        "file_bytes_read",
        "file_bytes_written",
        "handler_seconds",
        "kind",
        "lines",
        "now_ms",
        "number",
        "operations",
        "origin",
        "path",
        "ran",
        "reads_clock",
        "reads_identity",
        "request",
        "runner",
        "services",
        "sources",
        "transaction",
    )

    def __init__(
        self, runner: Runner, path: str, kind: Kind, transaction: Transaction | None, origin: Origin = ADMINISTRATOR
    ) -> None:
        self.runner = runner
        self.path = path
        self.kind = kind
        self.transaction = transaction
        self.origin = origin
        # The path of the component whose code is running, "" for the application's.
        self.component = ""
        self.number = self.request = runner.log.next_number()
        if origin.parent is not None:
            self.request = origin.parent.request
        self.now_ms = runner.clock.now_ns() / 1_000_000
        self.reads_clock = False
        self.reads_identity = False
        self.handler_seconds = 0.0
        self.file_bytes_read = 0
        self.file_bytes_written = 0
        self.conflict: Conflict | None = None
        # The timestamp of the commit of a mutation that wrote something.
        self.committed_at = 0
        self.depth = 0
        # Of an action: when `perf_counter` says that it has taken too long, and its calls that have not returned.
        self.deadline = inf
        self.operations: list[None] = []
        self.lines: list[Line] | None = None
        self.services: dict[str, Any] | None = None
        self.sources: Sources | None = None
        self.ran: list[Ran] | None = None
        self._random: Random | None = None
        self._seed: int | None = None

    def restart(self, transaction: Transaction) -> None:
        """Begin again over another transaction: at the same time, with the same randomness, and nothing printed."""
        self.transaction = transaction
        self.lines = None
        self.services = None
        self.sources = None
        self._random = None

    @property
    def seed(self) -> int:
        """The seed of this call's randomness, drawn when it is first asked for."""
        if self._seed is None:
            self._seed = self.runner.new_seed()
        return self._seed

    @property
    def random(self) -> Random:
        """The generator of this call, seeded when it is first asked for."""
        if self._random is None:
            self._random = Random(self.seed)
        return self._random

    def write_line(self, level: str, message: str, *, code: str | None = None) -> None:
        """Add a line of output; `code` marks what the system says itself. Too long a line is cut, too many are dropped.

        Either is said.
        """
        limits = self.runner.database.limits
        if self.lines is None:
            self.lines = []
        time_ms = self.runner.clock.now_ns() / 1_000_000
        is_cut = False
        if len(message) > limits.log_line_bytes // 4 and len(message.encode()) > limits.log_line_bytes:
            message = message.encode()[: limits.log_line_bytes].decode(errors="ignore") + "… (cut)"
            is_cut = True
        if len(self.lines) < limits.log_lines:
            self.lines.append((time_ms, level, message, is_cut, code))
        elif len(self.lines) == limits.log_lines:
            warning = f"Only the first {limits.log_lines} lines of a call are kept."
            self.lines.append((time_ms, "WARN", warning, False, "TooManyLogLines"))

    def enter(self, path: str) -> None:
        """A nested call begins. Raises `LimitError` when there are too many inside one another."""
        if self.depth >= MOST_NESTED:
            raise LimitError(
                f'"{path}" is called {MOST_NESTED} calls deep inside "{self.path}", which is as deep as calls may go. '
                "Does a function call itself through the context?",
                kind="nested_calls",
                limit=MOST_NESTED,
                used=self.depth + 1,
            )
        self.depth += 1

    def leave(self) -> None:
        """A nested call is over."""
        self.depth -= 1

    def count_file_read(self, number: int) -> None:
        """So many bytes of files were read."""
        self.file_bytes_read += number

    def count_file_written(self, number: int) -> None:
        """So many bytes of files were stored."""
        self.file_bytes_written += number

    @contextmanager
    def operation(self) -> Iterator[None]:
        """A call that an action makes. Raises `LimitError` if its time is up, or if too many are going on at once."""
        if perf_counter() > self.deadline:
            raise self._too_long()
        limit = self.runner.database.limits.action_operations
        # A list, because appending needs no lock.
        self.operations.append(None)
        try:
            if len(self.operations) > limit:
                raise LimitError(
                    f'The action "{self.path}" has {limit} calls going on at once, which is as many as there may be: '
                    "this one was not made. Await some of them first.",
                    kind="action_operations",
                    limit=limit,
                    used=limit + 1,
                )
            yield
        finally:
            self.operations.pop()

    @asynccontextmanager
    async def timeout(self) -> AsyncIterator[None]:
        """What an `async def` action runs in: it is cancelled where it waits when its time is up."""
        import asyncio

        left = self.deadline - perf_counter()
        try:
            async with asyncio.timeout(None if left == inf else left) as timeout:
                yield
        except TimeoutError:
            if not timeout.expired():
                raise
            raise self._too_long() from None

    def _too_long(self) -> LimitError:
        limit = self.runner.database.limits.action_seconds
        return LimitError(
            f'The action "{self.path}" has taken its {limit:g} s and was stopped; what it has done so far stays. '
            "Do the rest in another one: `ctx.scheduler.run_after(0, ...)`.",
            kind="action_seconds",
            limit=limit,
            used=limit + perf_counter() - self.deadline,
        )

    def service(self, name: str) -> Any:
        """The service called `name`, bound to this execution and to the component whose code is running.

        Raises `KeyError` where there is none.
        """
        if self.services is None:
            self.services = {}
        whole_name = qualified(self.component, name)
        found = self.services.get(whole_name)
        if found is None:
            found = self.services[whole_name] = self.runner.services[name].bind(self)
        return found


def note_outside(call: str, instead: str) -> None:
    """Say in the log of the query or mutation that runs here, once, that what it has just called is no part of it."""
    execution = running.get()
    if execution is None or execution.kind == "action":
        return
    if not any(code == _OUTSIDE for *_, code in execution.lines or ()):
        execution.write_line(
            "WARN",
            f"`dep.{call}` was called inside this {execution.kind}: it is no part of the transaction, and what it "
            f"reads is not followed. Write `{instead}`.",
            code=_OUTSIDE,
        )


_OUTSIDE: Final = "OutsideTransaction"


class Ended:
    """Stands for the transaction of a call that is over, so that a `ctx.db` which was kept cannot be used any more."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        raise ReadOnlyError(OVER)


ENDED: Final[Any] = Ended()

running: Final[ContextVar[Execution | None]] = ContextVar("convex_nb_execution", default=None)
"""The execution that the code of this thread or task belongs to."""
