"""What deployments are told of a notebook's cells: while one runs, names of the notebook may change at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeVar

from convex_nb.deployment.foundation import all_open
from convex_nb.functions.execution import running
from convex_nb.functions.globals import let_go
from convex_nb.functions.live.foreground import foreground


class Closable(Protocol):
    """What a cell has begun, and can be ended."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)

owners: Final[list[Callable[[Closable], object]]] = []
"""Who is told of what a cell has begun: the notebook ends it when the cell runs again."""


def of_cell(begun: C) -> C:
    """Give what was begun to the cell that runs on this thread, if one does."""
    if is_cell_here():
        for take in owners:
            take(begun)
    return begun


def is_cell_here() -> bool:
    """Tell whether the running cell is this thread's, and no function is at work in it."""
    return foreground.is_here() and running.get() is None


def cell_begins() -> None:
    """A cell begins on this thread: what reads data by the notebook's names runs on no other until it has ended."""
    foreground.begin()


def cell_ended() -> None:
    """The cell has ended: what reads names that it has rebound runs again."""
    foreground.end()
    let_go()
    for deployment in all_open():
        deployment.look_again()
