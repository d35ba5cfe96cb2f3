from __future__ import annotations

import threading
from typing import Any

import pytest

import convex_nb
from convex_nb.deployment.cells import cell_begins, cell_ended
from convex_nb.functions.live.foreground import foreground
from convex_nb.notebook.session import Session


def holds_off_others() -> bool:
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(foreground.holds_off()))
    thread.start()
    thread.join()
    return seen[0]


def test_a_cell_is_told_to_every_open_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    with convex_nb.open() as first, convex_nb.open() as second, convex_nb.open() as closed:
        closed.close()
        for deployment in (first, second, closed):
            monkeypatch.setattr(deployment._reactor, "flush", lambda deployment=deployment: told.append(deployment))
        cell_begins()
        assert holds_off_others()
        assert told == []
        cell_ended()
        assert not holds_off_others()
        assert {first, second} <= set(told)
        assert closed not in told
        monkeypatch.undo()


def test_a_session_that_ends_inside_a_cell_ends_the_cell() -> None:
    session = Session()
    session.begin_cell("unloads")
    assert holds_off_others()
    session.close()
    assert not holds_off_others()


def test_cells_inside_a_cell_are_one() -> None:
    session = Session()
    session.begin_cell("outer")
    session.begin_cell("inner")
    session.end_cell()
    assert holds_off_others()
    session.end_cell()
    assert not holds_off_others()
    session.close()
