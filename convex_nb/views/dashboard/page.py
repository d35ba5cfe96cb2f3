"""A page of the dashboard: it follows what it shows while it is open, and does what its reader asks for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

from convex_nb.deployment.clients.paginated import Followed
from convex_nb.deployment.definitions import anonymous_function
from convex_nb.language.qualified_names import local_name
from convex_nb.views.dashboard.blocks import Block, button, field, form, words
from convex_nb.views.problem import message_of
from convex_nb.views.sheet import Sheet

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.views.dashboard.blocks import Tone
    from convex_nb.views.editing import Editing
    from convex_nb.views.form_view import FormView
    from convex_nb.views.live_view import LiveView

T = TypeVar("T")

OWN: Final = frozenset({"dashboard:documents", "dashboard:document", "playground:read"})
"""Queries of the dashboard itself, and of the agents' playground: they say nothing about the application, and its log
and charts leave them out."""


class Shown(Protocol):
    """A widget inside a page."""

    model_id: str

    def sheet(self) -> Sheet: ...
    def close(self) -> None: ...


S = TypeVar("S", bound=Shown)


class Host(Protocol):
    """What a front door does for pages."""

    def mark(self) -> None:
        """A page is stale. Never blocks."""

    def view(self, path: str, watch: Callable[[Callable[[], None]], Followed], editing: Editing | None) -> LiveView:
        """Return a live view inside a page; `watch(on_stale)` starts what it follows."""

    def form(self, path: str, run: Callable[[Mapping[str, Any]], tuple[Any, str]]) -> FormView:
        """Return a form for a function inside a page; `run` takes its arguments."""


@dataclass(frozen=True)
class Question:
    """What is to be confirmed before it is done; `name` is what has to be typed where that is not enough."""

    text: str
    verb: str
    name: str
    then: Callable[[], str]


class Page:
    """One opening of a page; `memory` is what it keeps from one to the next.

    To views it is what they follow: `value` are its blocks. `refresh` makes them anew if something has changed.
    """

    name: ClassVar[str]
    reads_clock: ClassVar[bool] = False
    tables: ClassVar[Iterable[str]] = ()

    def __init__(self, deployment: Deployment, host: Host, memory: dict[str, Any]) -> None:
        self.deployment = deployment
        self.host = host
        self.memory = memory
        self.value: list[Block] = []
        self.error: Exception | None = None
        self.timestamp = 0
        self.duration_ms = 0.0
        self.stale = True
        self._notice: tuple[Tone, str] | None = None
        self._question: Question | None = None
        self._shown: dict[str, Shown] = {}
        self._leaving: list[Callable[[], object]] = []
        # Views are refreshed on a thread of their own, while the reader acts on another one.
        self._refreshing = threading.RLock()
        self._paused = deployment.paused
        self.follow()
        self.refresh()

    # -- what a page says

    def follow(self) -> None:
        """Begin to listen: see `on_commits` and `on_calls`."""

    def has_moved(self) -> bool:
        """Tell whether something has changed that gives no word of it. Asked after each flush: has to be cheap."""
        return False

    def blocks(self) -> Iterable[Block]:
        """Make what is shown now."""
        raise TypeError("a page has blocks")

    # -- following

    def on_commits(self, *tables: str) -> None:
        """Be stale after a commit that changes one of these tables, a component's too; without names, any."""
        wanted = frozenset(tables)

        def committed(commit: Any) -> None:
            if not self.stale and (not wanted or not wanted.isdisjoint(map(local_name, commit.tables))):
                self.mark()

        commits = self.deployment.on_commit
        commits.append(committed)
        self._leaving.append(lambda: commits.remove(committed) if committed in commits else None)

    def on_calls(self) -> None:
        """Be stale a moment after a function has run."""
        logs = self.deployment.logs
        sink = logs.add_sink(lambda _: self.mark())
        self._leaving.append(lambda: logs.remove_sink(sink))

    def mark(self) -> None:
        """Something has changed."""
        self.stale = True
        self.host.mark()

    def expire(self) -> None:
        """Time has passed."""
        self.stale = True

    def refresh(self) -> bool:
        """Make the blocks anew if something has changed; whether they are others now."""
        paused = self.deployment.paused
        if not (self.stale or self.has_moved() or paused != self._paused):
            return False
        self._paused = paused
        with self._refreshing:
            return self._make()

    def _make(self) -> bool:
        self.stale = False
        started = time.perf_counter()
        former = (self.value, self.error and str(self.error))
        try:
            self.value, self.error = [*self._said(), *self.blocks()], None
            self.timestamp = self.deployment.timestamp
        except Exception as error:
            self.error = error
        self.duration_ms = (time.perf_counter() - started) * 1e3
        return former != (self.value, self.error and str(self.error))

    def close(self) -> None:
        """Follow no longer."""
        for leave in self._leaving:
            leave()
        self._leaving = []

    def end(self) -> None:
        """Close the views inside as well: the page is no longer shown."""
        self.close()
        for key in list(self._shown):
            self.drop(key)

    # -- views inside

    def inside(self, key: str, make: Callable[[], S]) -> S:
        """Return the view of this key, made if there is none."""
        if key not in self._shown:
            self._shown[key] = make()
        return self._shown[key]  # type: ignore[return-value]

    def drop(self, key: str) -> None:
        """Close a view inside; one that is not there is no error."""
        shown = self._shown.pop(key, None)
        if shown is not None:
            shown.close()

    def drop_others(self, kind: str, kept: str) -> None:
        """Close the views inside whose keys begin with a word, but for the one that is still shown."""
        for key in list(self._shown):
            if key.startswith(kind) and key != f"{kind} {kept}":
                self.drop(key)

    def drawn(self, key: str) -> Block:
        """The block of a view inside."""
        return {"key": f"view {key} {self._shown[key].model_id}", "kind": "view", "model": self._shown[key].model_id}

    def sheets(self) -> dict[str, Sheet]:
        """The views inside as they are on paper, by their model."""
        return {each.model_id: each.sheet() for each in list(self._shown.values())}

    # -- what its reader does

    def do(self, content: Mapping[str, Any]) -> None:
        """Do what was asked for; what it raises is said on the page."""
        self._notice = None
        act = getattr(self, f"do_{content['act']}", None)
        try:
            if act is not None:
                act(content)
        except Exception as error:
            self.say(message_of(error), "bad")
        self.stale = True
        self.refresh()

    def say(self, text: str, tone: Tone = "ok") -> None:
        """Say something above the page, until its reader does something else."""
        self._notice = (tone, text)

    def ask(self, text: str, verb: str, name: str, then: Callable[[], str]) -> None:
        """Have something confirmed before it is done: by a click or, of a production deployment, by typing a name.

        `then` returns what is said when it is done.
        """
        self._question = Question(text, verb, name, then)

    def do_confirm(self, content: Mapping[str, Any]) -> None:
        question = self._question
        if question is None:
            return
        if self.deployment.mode == "prod" and content.get("entries", {}).get("name") != question.name:
            self.say(f"Nothing was done: to {question.verb.lower()}, type {question.name}.", "bad")
            return
        self._question = None
        self.say(question.then())

    def do_cancel(self, _: Mapping[str, Any]) -> None:
        self._question = None

    def _said(self) -> Iterable[Block]:
        if self._notice is not None:
            yield words("notice", self._notice[1], self._notice[0])
        if self._question is not None:
            question = self._question
            typed = [[field("name", f"Type {question.name} to go on", wide=True)]]
            buttons = [
                button(question.verb, "confirm", tone="bad", submits=True),
                button("Cancel", "cancel", "leave everything as it is"),
            ]
            rows = typed if self.deployment.mode == "prod" else []
            yield form("question", rows, buttons, title=question.text, tone="bad", asks=True)

    def change(self, what: str, change: Callable[[Any], T]) -> T:
        """Run `change(db)` as a mutation that logs and history know as the dashboard's."""
        value: T = self.deployment.mutation(
            anonymous_function(lambda ctx: change(ctx.db), "mutation", f"dashboard:{what}"), {}
        )
        return value
