"""How updates get to the browser: those of views that move together in one message, which one of them carries."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from convex_nb.views.messages import Update, Updates


class Sender(Protocol):
    """A view, as far as its messages go."""

    mark: str

    @property
    def tabs(self) -> frozenset[str]:
        """The visible pages that show it."""

    def carry(self, updates: Updates) -> bool:
        """Send by its own comm; False when it has none any more."""

    def drawn(self, sequence: int) -> None:
        """A page has drawn it."""


class Carrier:
    """What the views of a session have to say to the browser, and its answers.

    A message of its own costs each view more, in the kernel and on the page, than what it says: twenty views would be
    drawn over several frames, one after the other.
    """

    def __init__(self) -> None:
        self._senders: dict[str, Sender] = {}
        self._collecting = threading.local()

    def join(self, sender: Sender) -> None:
        """Take the updates of a view, and give it the answers to them, until it leaves."""
        self._senders[sender.mark] = sender

    def leave(self, sender: Sender) -> None:
        """Forget a view that has closed."""
        self._senders.pop(sender.mark, None)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold back what this thread sends, and send it at the end."""
        if getattr(self._collecting, "updates", None) is not None:
            yield
            return
        collected: list[tuple[Sender, Update]] = []
        self._collecting.updates = collected
        try:
            yield
        finally:
            self._collecting.updates = None
            self._deliver(collected)

    def send(self, sender: Sender, update: Update) -> None:
        """Send an update of a view."""
        collected: list[tuple[Sender, Update]] | None = getattr(self._collecting, "updates", None)
        if collected is None:
            self._deliver([(sender, update)])
        else:
            collected.append((sender, update))

    def drawn(self, of: Iterable[tuple[str, int]]) -> None:
        """A page has drawn these views; what they could not say before, they say now."""
        with self.together():
            for mark, sequence in of:
                sender = self._senders.get(mark)
                if sender is not None:
                    sender.drawn(sequence)

    def _deliver(self, collected: Iterable[tuple[Sender, Update]]) -> None:
        # Views meet on a page only: where each is in a frame of its own, as in Colab, each has a message of its own.
        groups: dict[frozenset[str], list[tuple[Sender, Update]]] = {}
        for sender, update in collected:
            groups.setdefault(sender.tabs, []).append((sender, update))
        for group in groups.values():
            of = [(sender.mark, update) for sender, update in group]
            # The first one that is still open carries it.
            any(sender.carry({"type": "updates", "of": of}) for sender, _ in group)
