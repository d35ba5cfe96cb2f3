"""What is sent of an error, and of what a function printed."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from convex_nb.deployment.clients.redaction import told_to_client
from convex_nb.functions.tracebacks import message_of, user_traceback
from convex_nb.language.encoding import dumps
from convex_nb.language.errors import (
    ArgumentValidationError,
    ConvexError,
    DeploymentClosedError,
    DeploymentPausedError,
    FunctionNotFoundError,
    InvalidCursorError,
    ServerError,
    WriteConflictError,
)
from convex_nb.language.values import UNDEFINED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from convex_nb.deployment.foundation import Mode
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.logs.execution_log import ExecutionLog, Line

FRAMES: Final = 8
"""So many of a traceback's frames are sent, the innermost ones."""
NOT_OF_A_HANDLER: Final = (DeploymentClosedError, DeploymentPausedError, FunctionNotFoundError)


class Failure(NamedTuple):
    """An error as it is sent: its text, and the data of a `ConvexError`, else `UNDEFINED`."""

    message: str
    data: Any
    request_id: str
    text: str
    """The message without the request's id."""
    code: str | None
    """What is wrong where it was not the function: it may be tried again."""


def failure(error: Exception, kind: Kind, path: str, log: ExecutionLog, mode: Mode) -> Failure:
    """What a far-away client is told of an error: in production no more than that there was one, and its data."""
    told = told_to_client(error, kind, path, log, mode)
    request_id: str = getattr(told, "request_id", "")
    data = told.data if isinstance(told, (ConvexError, InvalidCursorError)) else UNDEFINED
    text = "Server Error"
    if not isinstance(told, ServerError) and mode == "dev":
        text += f"\n{_described(error)}"
    # Half a surrogate pair in somebody's message cannot be sent.
    text = text.encode(errors="replace").decode()
    return Failure(f"[Request ID: {request_id}] {text}", data, request_id, text, _code(error))


def _code(error: Exception) -> str | None:
    if isinstance(error, WriteConflictError):
        return "OptimisticConcurrencyControlFailure"
    return "DeploymentClosed" if isinstance(error, DeploymentClosedError) else None


def _described(error: Exception) -> str:
    if isinstance(error, FunctionNotFoundError) and error.path:
        near = " or ".join([f"'{path}'" for path in error.available])
        hint = f"Did you mean {near}?" if near else "Has its cell been run, or its module been loaded?"
        if not message_of(error).startswith("Could not find"):
            return message_of(error)
        return f"Could not find public function for '{error.path}'. {hint}"
    if isinstance(error, NOT_OF_A_HANDLER):
        return message_of(error)
    if isinstance(error, ArgumentValidationError):
        return f"ArgumentValidationError: {message_of(error)}"
    message = message_of(error)
    if isinstance(error, ConvexError) and not isinstance(error.data, str):
        message = dumps(error.data)
    lines = [f"Uncaught {type(error).__name__}: {message}"]
    frames = traceback.extract_tb(user_traceback(error.__traceback__))[-FRAMES:]
    lines += [f"    at {frame.name} ({frame.filename}:{frame.lineno})" for frame in reversed(frames)]
    return "\n".join(lines)


def log_lines(lines: Iterable[Line] | None, mode: Mode) -> list[str]:
    """What a call printed, as clients show it in their consoles; nothing of it leaves a deployment in production."""
    if mode != "dev" or not lines:
        return []
    return [f"[{level}] {_quoted(text)}" for _, level, text, _, _ in lines]


def _quoted(text: str) -> str:
    escaped = text.encode(errors="replace").decode().replace("\\", "\\\\").replace("'", "\\'")
    return "'" + escaped.replace("\n", "\\n") + "'"
