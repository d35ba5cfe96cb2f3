from __future__ import annotations

from typing import Any

import pytest

from convex_nb import (
    ArgumentValidationError,
    ConvexError,
    FunctionNotFoundError,
    InvalidCursorError,
    WriteConflictError,
)
from convex_nb.deployment.foundation import Mode
from convex_nb.deployment.remote.telling import FRAMES, Failure, failure, log_lines
from convex_nb.functions.logs.execution_log import ExecutionLog
from convex_nb.language.values import UNDEFINED

CURSOR = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}


def told(error: Exception, mode: Mode = "dev") -> Failure:
    try:
        raise error
    except type(error) as raised:
        return failure(raised, "mutation", "m:f", ExecutionLog(), mode)


@pytest.mark.parametrize(
    ("error", "text", "data"),
    [
        (ValueError("no luck"), "Uncaught ValueError: no luck\n", UNDEFINED),
        (ConvexError({"code": 7}), 'Uncaught ConvexError: {"code":7}\n', {"code": 7}),
        (ConvexError("text"), "Uncaught ConvexError: text\n", "text"),
        (ConvexError(None), "Uncaught ConvexError: null\n", None),
        (ArgumentValidationError("Object lacks `a`."), "ArgumentValidationError: Object lacks `a`.", UNDEFINED),
        (InvalidCursorError("no cursor"), "Uncaught InvalidCursorError: no cursor\n", CURSOR),
        (
            FunctionNotFoundError('Could not find function "m:f".', path="m:f", available=["m:g", "m:h"]),
            "Could not find public function for 'm:f'. Did you mean 'm:g' or 'm:h'?",
            UNDEFINED,
        ),
        (FunctionNotFoundError('"m:f" is a query.', path="m:f"), '"m:f" is a query.', UNDEFINED),
    ],
)
def test_an_error_as_it_is_sent(error: Exception, text: str, data: Any) -> None:
    sent = told(error)
    head, _, rest = sent.message.partition("\n")
    assert head == f"[Request ID: {sent.request_id}] Server Error"
    assert rest.startswith(text)
    assert sent.data == data
    in_production = told(error, "prod")
    assert in_production.data == data
    if not isinstance(error, InvalidCursorError):
        assert in_production.message == f"[Request ID: {in_production.request_id}] Server Error"


def test_the_innermost_lines_come_first_and_not_all_of_them() -> None:
    def deeper(n: int) -> None:
        if n == 0:
            raise ValueError("deep")
        deeper(n - 1)

    try:
        deeper(50)
    except ValueError as error:
        frames = failure(error, "query", "m:f", ExecutionLog(), "dev").message.split("\n")[2:]
    assert len(frames) == FRAMES
    assert all(frame.startswith("    at deeper (") for frame in frames)


def test_half_a_character_can_be_sent() -> None:
    told(ValueError("\ud800")).message.encode()


def test_what_may_be_tried_again_says_so() -> None:
    assert told(WriteConflictError("tasks")).code == "OptimisticConcurrencyControlFailure"
    assert told(ValueError()).code is None


def test_lines_are_quoted_and_leave_no_production() -> None:
    lines = [(0.0, "LOG", "it's\n\\ud800 \ud800", False, None), (0.0, "WARN", "x", False, None)]
    assert log_lines(lines, "dev") == ["[LOG] 'it\\'s\\n\\\\ud800 ?'", "[WARN] 'x'"]
    assert log_lines(lines, "prod") == log_lines(None, "dev") == []
