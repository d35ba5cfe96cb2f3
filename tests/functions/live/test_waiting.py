from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from convex_nb.functions.live.waiting import Waiting


@dataclass(eq=False)
class Query:
    is_eager: bool


def queries() -> tuple[Any, Any]:
    return Query(is_eager=True), Query(is_eager=False)


def test_an_eager_query_is_run_and_announced_by_a_flush() -> None:
    waiting = Waiting()
    eager, _ = queries()
    assert not waiting
    waiting.mark(eager)
    assert waiting
    assert waiting.has_to_run(eager)
    waiting.begin(eager)
    assert not waiting
    assert not waiting.has_to_run(eager)
    waiting.announce(eager)
    assert waiting
    assert list(waiting.changed) == [eager]


def test_a_watched_query_has_a_flush_tell_its_views_and_waits_for_a_refresh() -> None:
    waiting = Waiting()
    _, watched = queries()
    waiting.mark(watched)
    assert waiting
    waiting.marks = {}
    assert not waiting
    assert waiting.has_to_run(watched)
    waiting.begin(watched)
    waiting.announce(watched)
    assert not waiting
    assert list(waiting.news) == [watched]


def test_what_waits_for_a_cell_keeps_no_flush_busy() -> None:
    waiting = Waiting()
    eager, _ = queries()
    waiting.hold(eager)
    assert not waiting.has_to_run(eager), "it was not due"
    waiting.mark(eager)
    waiting.hold(eager)
    assert not waiting
    assert waiting.has_to_run(eager)
    waiting.release()
    assert waiting
    assert not waiting.held


@pytest.mark.parametrize("name", Waiting.__slots__)
def test_what_is_forgotten_waits_nowhere(name: str) -> None:
    waiting = Waiting()
    eager, _ = queries()
    getattr(waiting, name)[eager] = None
    waiting.check({eager})
    with pytest.raises(AssertionError, match="forgotten but waiting"):
        waiting.check(set())
    waiting.forget(eager)
    waiting.check(set())
