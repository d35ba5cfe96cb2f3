"""What deployments are told of a notebook's cells: while one runs, names of the notebook may change at any moment."""

from __future__ import annotations

from convex_nb.deployment.foundation import all_open
from convex_nb.functions.globals import let_go
from convex_nb.functions.live.foreground import foreground


def cell_begins() -> None:
    """A cell begins on this thread: what reads data by the notebook's names runs on no other until it has ended."""
    foreground.begin()


def cell_ended() -> None:
    """The cell has ended: what reads names that it has rebound runs again."""
    foreground.end()
    let_go()
    for deployment in all_open():
        deployment.look_again()
