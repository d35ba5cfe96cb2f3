"""Updates of views that move together."""

from __future__ import annotations

import threading

import pytest

from convex_nb.views.carrier import Carrier
from convex_nb.views.messages import Update, Updates


def update(sequence: int) -> Update:
    return {"sequence": sequence, "base": sequence - 1, "head": {}}


class View:
    """A view that keeps what it carries and what it is told."""

    def __init__(self, carrier: Carrier, mark: str, *tabs: str) -> None:
        self.mark = mark
        self.tabs = frozenset(tabs or {"tab"})
        self.is_open = True
        self.carried: list[Updates] = []
        self.heard: list[int] = []
        self.next: Update | None = None
        self.carrier = carrier
        carrier.join(self)

    def carry(self, updates: Updates) -> bool:
        if self.is_open:
            self.carried.append(updates)
        return self.is_open

    def drawn(self, sequence: int) -> None:
        self.heard.append(sequence)
        if self.next is not None:
            self.carrier.send(self, self.next)

    @property
    def sent(self) -> list[list[tuple[str, int]]]:
        return [[(mark, update["sequence"]) for mark, update in updates["of"]] for updates in self.carried]


def test_what_is_sent_together_is_one_message() -> None:
    carrier = Carrier()
    a, b, c = (View(carrier, mark) for mark in "abc")
    with carrier.together():
        carrier.send(b, update(3))
        with carrier.together():
            carrier.send(a, update(7))
        assert b.carried == []
    assert b.sent == [[("b", 3), ("a", 7)]]
    assert a.carried == c.carried == []
    carrier.send(a, update(8))
    assert a.sent == [[("a", 8)]]


def test_views_on_other_pages_have_a_message_of_their_own() -> None:
    carrier = Carrier()
    a, b, both = View(carrier, "a", "one"), View(carrier, "b", "two"), View(carrier, "c", "one", "two")
    with carrier.together():
        for view in (a, b, both):
            carrier.send(view, update(1))
    assert (a.sent, b.sent, both.sent) == ([[("a", 1)]], [[("b", 1)]], [[("c", 1)]])


def test_another_view_carries_what_a_closed_one_cannot() -> None:
    carrier = Carrier()
    a, b = View(carrier, "a"), View(carrier, "b")
    with carrier.together():
        carrier.send(a, update(1))
        carrier.send(b, update(1))
        a.is_open = False
    assert (a.carried, b.sent) == ([], [[("a", 1), ("b", 1)]])
    carrier.send(a, update(2))
    assert a.carried == []


def test_one_answer_tells_all_and_what_they_say_to_it_is_one_message_again() -> None:
    carrier = Carrier()
    a, b, gone = (View(carrier, mark) for mark in "abc")
    carrier.leave(gone)
    a.next, b.next = update(5), update(6)
    carrier.drawn([("a", 4), ("c", 9), ("b", 5), ("unknown", 1)])
    assert (a.heard, b.heard, gone.heard) == ([4], [5], [])
    assert (a.sent, b.carried) == ([[("a", 5), ("b", 6)]], [])


def test_other_threads_do_not_wait() -> None:
    carrier = Carrier()
    a, b = View(carrier, "a"), View(carrier, "b")
    with carrier.together():
        carrier.send(a, update(1))
        thread = threading.Thread(target=carrier.send, args=(b, update(1)))
        thread.start()
        thread.join()
        assert b.sent == [[("b", 1)]]
        assert a.carried == []
    assert a.sent == [[("a", 1)]]


def test_what_was_said_before_somebody_failed_is_sent() -> None:
    carrier = Carrier()
    a = View(carrier, "a")
    with pytest.raises(ZeroDivisionError), carrier.together():
        carrier.send(a, update(1))
        raise ZeroDivisionError
    assert a.sent == [[("a", 1)]]
    carrier.send(a, update(2))
    assert a.sent[1:] == [[("a", 2)]]
