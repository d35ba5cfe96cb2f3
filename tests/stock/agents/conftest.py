from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from convex_nb import action
from convex_nb.stock import Agent
from convex_nb.testing import ConvexTest


class Conversation:
    """A thread in an empty deployment that has the component."""

    def __init__(self, test: ConvexTest) -> None:
        self.test = test
        self.threads = Agent(name="nobody", model=lambda messages: "")
        self.thread = self.new_thread(user="ada")

    def new_thread(self, **about: Any) -> str:
        return str(self.test.run(lambda ctx: self.threads.create_thread(ctx, **about)))

    def act(self, handler: Callable[[Any], Any]) -> Any:
        """Run this as an action."""

        @action("tests:act")
        def run(ctx: Any) -> Any:
            return handler(ctx)

        self.test.deployment.register(run)
        return self.test.action(run)

    def ask(self, agent: Agent, thread: str = "", **how: Any) -> Any:
        return self.act(lambda ctx: agent.generate_text(ctx, thread or self.thread, **how))

    def stream(self, agent: Agent, **how: Any) -> Any:
        return self.act(lambda ctx: agent.stream_text(ctx, self.thread, **how))

    def say(self, content: Any, **how: Any) -> str:
        return str(self.test.run(lambda ctx: self.threads.save_message(ctx, self.thread, content, **how)))

    def said(self, *fields: str, thread: str = "") -> list[Any]:
        messages = self.test.run(lambda ctx: self.threads.last_messages(ctx, thread or self.thread))
        return [tuple(each[field] for field in fields or ("role", "text")) for each in messages]

    def count(self, table: str) -> int:
        return int(self.test.deployment.components["agent"].table(table).count())


@pytest.fixture
def talk() -> Iterator[Conversation]:
    with ConvexTest() as test:
        test.register_component(Agent.definition)
        yield Conversation(test)
