"""What the browser has been told, and what it must be told next: one message in flight, the rest folded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from convex_nb.views.deltas import delta_between, is_empty
from convex_nb.views.messages import Head, Row, Update

UNHEARD_AFTER: Final = 0.1
"""Seconds after which an answer is no longer waited for while it cannot be heard."""
LOST_AFTER: Final = 2.0
"""Seconds after which no answer is waited for any more."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that a view shows at one moment: rows for a table, a body for a figure or a tree."""

    head: Head
    page: list[Row] = field(default_factory=list)
    body: Any = None


class Screen:
    """The browser's side as the kernel knows it. `compose` makes the current picture and is called only when it can be
    sent; `send` carries a message; `is_busy` tells whether the main thread runs a cell. Not locked: its owner calls it
    under the owner's lock."""

    def __init__(
        self, compose: Callable[[], Picture], send: Callable[[Update], None], is_busy: Callable[[], bool] | None = None
    ) -> None:
        self._compose = compose
        self._send = send
        self._is_busy = is_busy or (lambda: False)
        self._changed = True
        self._sequence = -1
        self._shown: Picture | None = None
        self._tabs: set[str] = set()
        self._seen = False
        self._in_flight: int | None = None
        self._sent_at = 0.0
        self._heard_beside = False

    @property
    def tabs(self) -> frozenset[str]:
        """The visible pages that show the view."""
        return frozenset(self._tabs)

    @property
    def sequence(self) -> int:
        """Of the newest picture that was made; before the first, -1."""
        return self._sequence

    @property
    def is_hidden(self) -> bool:
        """Whether it was looked at, and is no more."""
        return self._seen and not self._tabs

    def touch(self) -> None:
        """Note that the picture has changed."""
        self._changed = True

    def pump(self) -> None:
        """Send what changed, if somebody looks and has drawn what was sent before."""
        if not (self._changed and self._tabs):
            return
        if self._in_flight is not None:
            # Where messages come in on the main thread alone, none is heard while a cell runs, and none is waited for.
            is_deaf = self._is_busy() and not self._heard_beside
            if time.monotonic() - self._sent_at < (UNHEARD_AFTER if is_deaf else LOST_AFTER):
                return
        update = self._advance()
        if update is not None:
            self._dispatch(update)

    def whole(self) -> Update:
        """Return the state as an update upon nothing; with nobody looking, the newest."""
        if not self._tabs or self._shown is None:
            self._advance()
        assert self._shown is not None
        head: dict[str, Any] = {**self._shown.head}
        update: Update = {"sequence": self._sequence, "base": None, "head": head}
        if head["kind"] == "table":
            update["page"] = self._shown.page
        else:
            update["body"] = self._shown.body
        return update

    # -- what the browser says

    def hello(self, tab: str, sequence: int) -> None:
        """A page has come up, or missed something, and has drawn `sequence`."""
        self._hears()
        whole = self.whole()
        self._tabs.add(tab)
        self._seen = True
        self._in_flight = None
        if sequence != whole["sequence"]:
            self._dispatch(whole)

    def hidden(self, tab: str) -> None:
        """A page is no longer looked at."""
        self._hears()
        self._tabs.discard(tab)
        self._in_flight = None

    def drawn(self, sequence: int) -> None:
        """A page has drawn an update."""
        self._hears()
        if sequence == self._in_flight:
            self._in_flight = None

    def _hears(self) -> None:
        self._heard_beside = threading.current_thread() is not threading.main_thread()

    # -- the next message

    def _dispatch(self, update: Update) -> None:
        self._in_flight = update["sequence"]
        self._sent_at = time.monotonic()
        self._send(update)

    def _advance(self) -> Update | None:
        """Make the current picture the shown one; return how they differ, or None where they do not."""
        if not self._changed:
            return None
        self._changed = False
        old, new = self._shown, self._compose()
        update = None if old is None else _difference(old, new)
        if update is None and old is not None:
            return None
        self._shown = new
        self._sequence += 1
        if update is None:
            return self.whole()
        update["sequence"] = self._sequence
        update["base"] = self._sequence - 1
        return update


def _difference(old: Picture, new: Picture) -> Update | None:
    was: dict[str, Any] = {**old.head}
    head = {name: value for name, value in new.head.items() if was[name] != value}
    update: Update = {"sequence": 0, "base": None, "head": head}
    if new.head["kind"] != "table":
        if old.body != new.body or "kind" in head:
            update["body"] = new.body
    elif "columns" in head or "kind" in head:
        update["page"] = new.page
    else:
        delta = delta_between(old.page, new.page)
        if len(delta["insert"]) > len(new.page) // 2:
            update["page"] = new.page
        elif not is_empty(delta):
            update["delta"] = delta
    return update if head or update.keys() & {"page", "delta", "body"} else None
