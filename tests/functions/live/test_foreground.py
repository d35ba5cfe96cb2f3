from __future__ import annotations

import threading

from convex_nb.functions.live.foreground import Foreground


def elsewhere(foreground: Foreground) -> tuple[bool, bool]:
    seen: list[tuple[bool, bool]] = []
    thread = threading.Thread(target=lambda: seen.append((foreground.is_here(), foreground.holds_off())))
    thread.start()
    thread.join()
    return seen[0]


def test_a_cell_holds_off_all_threads_but_its_own() -> None:
    foreground = Foreground()
    assert (foreground.is_here(), foreground.holds_off()) == (False, False)
    assert elsewhere(foreground) == (False, False)
    foreground.begin()
    assert (foreground.is_here(), foreground.holds_off()) == (True, False)
    assert elsewhere(foreground) == (False, True)
    foreground.end()
    assert elsewhere(foreground) == (False, False)


def test_cells_are_counted() -> None:
    foreground = Foreground()
    before = foreground.cells
    foreground.begin()
    foreground.end()
    foreground.begin()
    assert foreground.cells == before + 2
