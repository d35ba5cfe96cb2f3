"""When a server counts as silent. `test_outages.py` has the real ones."""

from __future__ import annotations

from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from convex_nb.engine.postgres import limited_connection
from convex_nb.engine.postgres.limited_connection import ANSWER_SECONDS, LimitedConnection

NOTHING, SOMETHING = 0, 1
STEP = ANSWER_SECONDS * 0.6


def driven(monkeypatch: pytest.MonkeyPatch, *happens: int) -> list[str]:
    """What becomes of a statement of so many steps, if this is what the driver is told after each."""
    now, said = [0.0], list[str]()

    def statement() -> Generator[str, int, str]:
        for _ in happens:
            yield "waits"
        return "answered"

    monkeypatch.setattr(limited_connection, "monotonic", lambda: now[0])
    connection: Any = SimpleNamespace(pgconn=SimpleNamespace(finish=lambda: said.append("finished")))
    limited = LimitedConnection._limited(connection, statement())
    try:
        next(limited)
        for ready in happens:
            now[0] += STEP
            limited.send(ready)
    except StopIteration as end:
        said.append(end.value)
    except psycopg.OperationalError:
        said.append("given up")
    return said


def test_who_says_nothing_for_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert driven(monkeypatch, NOTHING, NOTHING, NOTHING) == ["finished", "given up"]


def test_who_takes_what_is_sent_may_be_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert driven(monkeypatch, SOMETHING, NOTHING, SOMETHING, NOTHING, SOMETHING) == ["answered"]
