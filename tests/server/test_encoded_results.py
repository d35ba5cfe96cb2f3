from __future__ import annotations

from typing import Any

import pytest

from convex_nb import ConvexError, Deployment
from convex_nb.deployment.remote.remote import Remote
from convex_nb.functions.live.shared_query import NOTHING_YET, Outcome
from convex_nb.functions.logs.execution_log import Line
from convex_nb.server import encoded_results
from convex_nb.server.encoded_results import EncodedResults


def outcome(value: Any = None, error: Exception | None = None, printed: str | None = None) -> Outcome:
    lines: list[Line] | None = None if printed is None else [(0.0, "LOG", printed, False, None)]
    return NOTHING_YET._replace(changes=1, value=value, error=error, lines=lines)


@pytest.mark.parametrize(
    ("before", "after", "is_sent"),
    [
        (None, outcome([1]), True),
        (outcome([1]), outcome([1]), False),
        (outcome([1]), outcome([1.0]), True),
        (outcome([1]), outcome([1], printed="x"), True),
        (outcome([1], printed="x"), outcome([1], printed="x"), False),
        (outcome([1]), outcome([1], ConvexError("no")), True),
        (outcome([1], ConvexError("no")), outcome([1], ConvexError("no")), False),
        (outcome([1], ConvexError("no")), outcome([1], ConvexError("nope")), True),
        (outcome([1], ConvexError("no")), outcome([1], ValueError("no")), True),
        (outcome([1], ConvexError("no")), outcome([1]), True),
    ],
)
def test_what_a_client_knows_is_not_sent(
    app: Deployment, before: Outcome | None, after: Outcome, is_sent: bool
) -> None:
    fields = EncodedResults().fields(after, before, Remote(app).nobody())
    assert (fields is not None) == is_sent


def test_a_result_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded_results, "MOST_ENTRIES", 2)
    results = EncodedResults()
    first, second, third = [1], [2], [3]
    text = results.text(first)
    assert bytes(text) == b"[1.0]"
    assert results.text(first) is text
    results.text(second)
    results.text(third)
    assert results.text(first) is not text
    assert len(results._texts) == 2
    assert results._nbytes == sum(len(bytes(each)) for _, each in results._texts.values())
    assert bytes(results.text(5)) == b"5.0"
