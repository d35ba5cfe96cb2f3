from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import convex_nb
from convex_nb.deployment.definitions import anonymous_function
from convex_nb.deployment.deployment import Deployment
from convex_nb.stock import Agent, Threads
from convex_nb.stock.trials.attempts import Attempts
from convex_nb.stock.trials.page import ThreadsPage
from convex_nb.views.dashboard.blocks import Block
from tests.until import PATIENCE, until


class Host:
    """A front door that refreshes when the test says so, and has no views inside of pages."""

    view = form = None

    def mark(self) -> None:
        pass


class Reader:
    """One page over a deployment that has the component, and what is done on it."""

    def __init__(self, deployment: Deployment, *agents: Agent, **memory: Any) -> None:
        host: Any = Host()
        self.deployment = deployment
        self.threads = Threads()
        self.attempts = Attempts(deployment, host.mark)
        self.page = ThreadsPage(deployment, host, memory, "agent", self.threads, agents, self.attempts)

    def blocks(self) -> list[Block]:
        self.page.refresh()
        assert self.page.error is None, self.page.error
        return self.page.value

    def __getitem__(self, key: str) -> Block:
        return next(block for block in self.blocks() if block["key"] == key)

    def __contains__(self, key: str) -> bool:
        return any(block["key"] == key for block in self.blocks())

    def do(self, act: str, key: str = "", **entries: str) -> None:
        """Do it, and wait until no agent is at anything."""
        self.begin(act, key, **entries)
        self.wait()

    def begin(self, act: str, key: str = "", **entries: str) -> None:
        self.page.do({"type": "do", "act": act, "key": key, "entries": entries})

    def wait(self) -> None:
        until(lambda: not self.attempts.running(self.page.memory.get("thread")))

    def run(self, handler: Callable[[Any], Any]) -> Any:
        return self.deployment.mutation(anonymous_function(handler, "mutation", "tests:run"), {})

    def begin_thread(self, user: str | None = None, title: str | None = None) -> str:
        return str(self.run(lambda ctx: self.threads.create_thread(ctx, user=user, title=title)))

    @property
    def labels(self) -> list[str]:
        return [each["label"] for each in self["threads"]["items"]]

    @property
    def said(self) -> list[list[Any]]:
        return [line["cells"] for line in self["said"]["lines"]]

    def key(self, number: str) -> str:
        """The id of a message of the thread that is shown."""
        return next(line["key"] for line in self["said"]["lines"] if line["cells"][0] == number)


class Gate:
    """A model that says one word, and the next one when the test lets it."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    def __call__(self, messages: Any) -> Iterator[Any]:
        yield "Once "
        assert self.opened.wait(PATIENCE)
        yield "upon a time."


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    with convex_nb.open() as opened:
        opened.push(components=[Agent.definition])
        yield opened
