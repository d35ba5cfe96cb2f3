from __future__ import annotations

import asyncio
import re
import signal
import sys
import threading
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from typing import Any

import pytest

from convex_nb import InvalidValueError, query
from convex_nb.stock import Agent
from convex_nb.stock.agents.streaming import DeltaStreamer, to_ends

from .conftest import Conversation


def teller(talk: Conversation, pieces: list[str], pause: float = 50) -> Agent:
    """An agent whose model says a piece each so many milliseconds."""

    def model(messages: Any) -> Iterator[str]:
        for piece in pieces:
            yield piece
            talk.test.clock.advance(pause)

    return Agent(name="teller", model=model)


def deltas(talk: Conversation, agent: Agent, **how: Any) -> list[str]:
    """What was seen of the answer while it came, each time that it was more."""
    seen: list[str] = []

    @query("tests:answer")
    def answer(ctx: Any) -> Any:
        last = agent.last_messages(ctx, talk.thread)
        return last[-1]["text"] if last and last[-1]["role"] == "assistant" else ""

    talk.test.deployment.register(answer)
    with talk.test.deployment.subscribe(answer, {}, seen.append):
        talk.stream(agent, prompt="Go on", **how)
    return seen


STORY = ["Once up", "on a ti", "me there", " was a\n", "fox. It", " ran."]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"throttle": 0}, ["Once ", "upon a ", "time ", "there was a\n", "fox. ", "It "]),
        ({"throttle": 100}, ["Once ", "upon a time ", "there was a\nfox. "]),
        ({"throttle": 0, "chunking": "line"}, ["Once upon a time there was a\n"]),
        ({"throttle": 0, "chunking": re.compile(r"[.] ")}, ["Once upon a time there was a\nfox. "]),
        ({"throttle": 1e9}, ["Once "]),
    ],
)
def test_whole_chunks_are_saved_so_far_apart(talk: Conversation, how: Any, expected: list[str]) -> None:
    whole = "".join(STORY)
    assert deltas(talk, teller(talk, STORY), **how) == ["", *accumulate(expected), whole]
    assert talk.count("deltas") == 0
    assert talk.said("status", "text")[1:] == [("success", whole)]


def test_an_answer_in_a_script_without_spaces_is_streamed(talk: Conversation) -> None:
    pieces = ["昔々", "狐が", "いた。", "Nine ta", "ils."]
    expected = ["", *accumulate(["昔々", "狐が", "いた。", "Nine ", "tails."])]
    assert deltas(talk, teller(talk, pieces), throttle=0) == expected


def test_deltas_are_some_thousands_however_long_the_answer_is() -> None:
    class Ctx:
        saved = ""
        number = 0

        def now(self) -> float:
            return 0

        def run_mutation(self, function: Any, *, text: str, **_: Any) -> bool:
            self.saved += text
            self.number += 1
            return True

    ctx: Any = Ctx()
    streamer = DeltaStreamer(ctx, None, "", to_ends("word"), 0)
    assert all(streamer.add("x ") for _ in range(100_000))
    assert ctx.saved == "x " * (len(ctx.saved) // 2)
    assert 190_000 < len(ctx.saved) <= 200_000
    assert 1_000 < ctx.number < 10_000


def test_an_answer_that_is_not_wanted_any_more_ends(talk: Conversation) -> None:
    closed: list[str] = []
    aborted: list[int] = []

    def model(messages: Any) -> Iterator[str]:
        try:
            yield "One "
            yield "two "
            aborted.append(talk.test.run(lambda ctx: talk.threads.abort(ctx, talk.thread)))
            yield "three "
            yield "four "
        finally:
            closed.append("closed")

    agent = Agent(name="teller", model=model)
    reply = talk.stream(agent, prompt="Count", throttle=0)
    assert (reply["status"], aborted, closed) == ("aborted", [1], ["closed"])
    assert talk.said("status", "text")[1:] == [("aborted", "One two ")]
    assert reply["text"] == "One two "
    assert talk.test.run(lambda ctx: talk.threads.abort(ctx, talk.thread)) == 0
    # It is no part of what is read later.
    talk.ask(Agent(name="echo", model=lambda messages: str(len(messages))), prompt="?")
    assert talk.said()[-1] == ("assistant", "2")


def test_an_answer_whose_thread_is_deleted_ends(talk: Conversation) -> None:
    def model(messages: Any) -> Iterator[str]:
        yield "One "
        talk.test.run(lambda ctx: talk.threads.delete_thread(ctx, talk.thread))
        yield "two "

    for ask in (talk.stream, talk.ask):
        talk.thread = talk.new_thread()
        reply = ask(Agent(name="teller", model=model), prompt="Count")
        assert (reply["status"], reply["message"]) == ("aborted", None)
    talk.test.finish_all_scheduled_functions()
    assert (talk.count("messages"), talk.count("deltas")) == (0, 0)


def test_a_thread_that_goes_between_two_steps_ends_the_answer(talk: Conversation) -> None:
    def leave(ctx: Any) -> str:
        # Its messages go later, in transactions of their own.
        talk.test.run(lambda ctx: talk.threads.delete_threads(ctx, "ada"))
        return "gone"

    model = {"tool_calls": [{"name": "leave"}, {"name": "leave"}]}
    agent = Agent(name="guest", model=lambda messages, tools: model, tools=[leave], max_steps=2)
    reply = talk.ask(agent, prompt="Leave")
    assert reply["status"] == "aborted"


def test_an_answer_whose_prompt_is_deleted_ends_and_says_why(talk: Conversation) -> None:
    def delete_prompt() -> None:
        messages = talk.test.run(lambda ctx: talk.threads.last_messages(ctx, talk.thread))
        prompts = [each["_id"] for each in messages if each["role"] == "user"]
        talk.test.run(lambda ctx: talk.threads.delete_messages(ctx, prompts))

    def in_the_middle(messages: Any, tools: Any) -> Iterator[str]:
        yield "One "
        delete_prompt()
        yield "two "

    def leave(ctx: Any) -> None:
        delete_prompt()

    def before(ctx: Any, parts: Any) -> Any:
        delete_prompt()
        return parts["prompt"]

    def embed(texts: list[str]) -> Any:
        if "prompt" in texts:
            delete_prompt()
        return [[1.0] for _ in texts]

    calls = {"text": "Wait.", "tool_calls": [{"name": "leave"}, {"name": "leave"}]}
    agent = Agent(name="guest", model=lambda messages, tools: calls, tools=[leave], max_steps=2)
    ended = ("failed", "", "Its prompt was deleted.")
    for other, streamed, asked in (
        (agent.replace(model=in_the_middle), [("failed", "One ", "Its prompt was deleted.")], [ended]),
        (agent, [("success", "Wait.", None)], [("success", "Wait.", None)]),
        (agent.replace(context_handler=before), [], []),
        (agent.replace(embed=embed, context={"vector_search": True}), [], []),
    ):
        for ask, said in ((partial(talk.stream, throttle=0), streamed), (talk.ask, asked)):
            talk.thread = talk.new_thread()
            reply = ask(other, prompt="prompt")
            assert reply["status"] == "aborted"
            assert talk.said("status", "text", "error") == said


def test_one_that_fails_in_the_middle_keeps_what_it_said(talk: Conversation) -> None:
    def model(messages: Any) -> Iterator[str]:
        yield "So far "
        yield "so go"
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        talk.stream(Agent(name="teller", model=model), prompt="Go on")
    assert talk.said("status", "text", "error")[1:] == [("failed", "So far so go", "ConnectionError: cut")]
    assert talk.count("deltas") == 0


async def slow_async(messages: Any) -> Any:
    for word in ("a ", "b ", "c"):
        yield word


def test_async_models_stream_too(talk: Conversation) -> None:
    assert deltas(talk, Agent(name="slow", model=slow_async), throttle=0) == ["", "a ", "a b ", "a b c"]


def test_an_async_model_is_closed_when_it_is_not_wanted_any_more(talk: Conversation) -> None:
    closed: list[str] = []

    async def model(messages: Any) -> Any:
        try:
            yield "One "
            talk.test.run(lambda ctx: talk.threads.abort(ctx, talk.thread))
            yield "two "
        finally:
            closed.append("closed")

    assert talk.stream(Agent(name="slow", model=model), prompt="Count", throttle=0)["status"] == "aborted"
    assert (closed, talk.said("text")[-1]) == (["closed"], ("One ",))


def send_signal() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="signals go to no thread")
@pytest.mark.parametrize("interrupt", [send_signal, interrupt_main])
def test_an_interrupt_ends_an_async_model(talk: Conversation, interrupt: Callable[[], None]) -> None:
    """`interrupt_main` wakes nobody, as a signal does not that comes just before a thread begins to wait."""
    ended: list[str] = []

    async def model(messages: Any) -> Any:
        yield "One "
        while sys._current_frames()[threading.main_thread().ident or 0].f_code.co_name != "wait":
            await asyncio.sleep(0)
        try:
            interrupt()
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    with pytest.raises(KeyboardInterrupt):
        talk.stream(Agent(name="slow", model=model), prompt="Count")
    assert (ended, talk.said("status", "text")[-1]) == (["ended"], ("failed", "One "))


def test_what_is_no_chunk_is_said_before_anything_is_asked(talk: Conversation) -> None:
    with pytest.raises(InvalidValueError, match='Chunks are "word", "line"'):
        talk.stream(teller(talk, STORY), prompt="Go on", chunking="letter")
    assert talk.said() == []
