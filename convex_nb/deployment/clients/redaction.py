"""What clients are told of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from convex_nb.functions.logs.request_ids import mark
from convex_nb.language.errors import ConvexError, InvalidCursorError, ServerError

if TYPE_CHECKING:
    from convex_nb.deployment.foundation import Mode
    from convex_nb.functions.definition import Kind
    from convex_nb.functions.logs.execution_log import ExecutionLog

_LETTERS: Final[dict[str, str]] = {"query": "Q", "mutation": "M", "action": "A"}


def told_to_client(error: Exception, kind: Kind, path: str, log: ExecutionLog, mode: Mode) -> Exception:
    """Return what a client gets for an error that a function raised, with its `request_id`.

    In development the error itself, the request noted under its message. In production only the data of a
    `ConvexError`, without its traceback, and that a cursor is not good; anything else is a `ServerError`.
    """
    request_id = getattr(error, "request_id", None)
    if not isinstance(request_id, str):
        # It did not get as far as running.
        request_id = log.request_id(log.next_number())
        mark(error, request_id)
    if mode == "dev":
        note = f"[Request ID: {request_id}]"
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)
        return error
    if isinstance(error, InvalidCursorError):
        return error
    if isinstance(error, ConvexError):
        told: Exception = ConvexError(error.data)
        mark(told, request_id)
        return told
    return ServerError(
        f"[CONVEX {_LETTERS[kind]}({path})] [Request ID: {request_id}] Server Error", path=path, request_id=request_id
    )
