"""What a reader of the playground has asked agents for, and what became of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb.deployment.definitions import anonymous_function
from convex_nb.views.form_view import HAS_THREADS
from convex_nb.views.problem import message_of

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.views.dashboard.blocks import Tone

Notice: TypeAlias = "tuple[Tone, str]"


@dataclass(frozen=True)
class Attempt:
    """One action that runs: what it does, for which thread, and whether `abort` has it end."""

    text: str
    thread: str
    can_be_stopped: bool


class Attempts:
    """Actions in the background. Each has a thread of its own where Python has threads: a model may take minutes.

    `version` changes whenever one begins or ends; `notice` is what the last one had to say, if anything.
    """

    def __init__(self, deployment: Deployment, mark: Callable[[], None]) -> None:
        self._deployment = deployment
        self._mark = mark
        self._lock = threading.Lock()
        self._running: list[Attempt] = []
        self._notice: Notice | None = None
        self.version = 0

    def running(self, thread: str | None) -> list[Attempt]:
        """What is under way for a thread."""
        with self._lock:
            return [each for each in self._running if each.thread == thread]

    def take_notice(self) -> Notice | None:
        """Return what is to be said, once."""
        with self._lock:
            notice, self._notice = self._notice, None
            return notice

    def begin(
        self,
        text: str,
        thread: str,
        name: str,
        handler: Callable[[Any], Any],
        end: Callable[[Any], Notice | None],
        *,
        can_be_stopped: bool = False,
    ) -> None:
        """Run a handler as an action that logs call `name`; `end` takes its value and returns what is to be said."""
        attempt = Attempt(text, thread, can_be_stopped)
        action = anonymous_function(handler, "action", name)

        def run() -> None:
            notice: Notice | None = None
            try:
                notice = end(self._deployment.action(action, {}))
            except Exception as error:
                notice = ("bad", f"{text}: {message_of(error)}")
            finally:
                self._move(lambda: self._running.remove(attempt), notice)

        self._move(lambda: self._running.append(attempt), None)
        if HAS_THREADS:
            threading.Thread(target=run, name="convex_nb playground", daemon=True).start()
        else:
            run()

    def _move(self, move: Callable[[], None], notice: Notice | None) -> None:
        with self._lock:
            move()
            self._notice = notice or self._notice
            self.version += 1
        self._mark()
