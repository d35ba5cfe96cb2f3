from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import DocumentNotFoundError, InvalidValueError, action
from convex_nb.stock import Agent

from .conftest import Conversation

read: list[list[tuple[str, str]]] = []
"""What the model has been given, call by call."""


def echo(messages: list[dict[str, Any]]) -> str:
    read.append([(each["role"], each["content"]) for each in messages])
    return f"You said: {messages[-1]['content']}"


agent = Agent(name="echo", model=echo, instructions="Be kind.")


@pytest.fixture(autouse=True)
def forget() -> None:
    read.clear()


def test_what_is_asked_and_answered_is_saved_in_its_order(talk: Conversation) -> None:
    reply = talk.ask(agent, prompt="Hello")
    assert (reply["status"], reply["text"]) == ("success", "You said: Hello")
    talk.ask(agent, prompt="Again")
    assert talk.said("order", "step_order", "role", "text") == [
        (0, 0, "user", "Hello"),
        (0, 1, "assistant", "You said: Hello"),
        (1, 0, "user", "Again"),
        (1, 1, "assistant", "You said: Again"),
    ]
    assert (
        talk.said("user", "agent_name", "status")
        == [
            ("ada", None, "success"),
            ("ada", "echo", "success"),
        ]
        * 2
    )
    found = talk.test.run(lambda ctx: agent.get_messages(ctx, [reply["message"]]))[0]
    assert (found["_id"], found["text"]) == (reply["message"], reply["text"])


def test_what_does_not_fit_into_a_message_fails_and_leaves_none_under_way(talk: Conversation) -> None:
    def long(messages: Any) -> Iterator[str]:
        yield "Well. "
        yield "x" * 1_000_001

    def odd(messages: Any) -> Iterator[str]:
        yield "Well. "
        yield "\ud800"

    def told(what: str) -> Any:
        def model(messages: Any) -> Iterator[str]:
            yield "Well. "
            raise ConnectionError(what)

        return model

    for model, raised in (
        (long, pytest.raises(InvalidValueError, match="more than 1000000 bytes")),
        (odd, pytest.raises(UnicodeEncodeError)),
        (told("x" * 2**21), pytest.raises(ConnectionError)),
        (told("\ud800"), pytest.raises(ConnectionError)),
    ):
        for ask in (talk.ask, talk.stream):
            with raised:
                ask(Agent(name="odd", model=model), prompt="Hello")
            assert talk.said("status", "text")[-1] == ("failed", "Well. ")


def test_a_model_reads_instructions_what_was_said_what_is_added_and_the_prompt(talk: Conversation) -> None:
    talk.ask(agent, prompt="One")
    extra = [{"role": "system", "content": "It rains.", "tool_calls": None}]
    talk.ask(agent, prompt="Two", messages=extra)
    assert read[-1] == [
        ("system", "Be kind."),
        ("user", "One"),
        ("assistant", "You said: One"),
        ("system", "It rains."),
        ("user", "Two"),
    ]
    short = agent.replace(context={"recent_messages": 1}, instructions=None)
    talk.ask(short, prompt="Three")
    assert read[-1] == [("assistant", "You said: Two"), ("user", "Three")]
    own = agent.replace(context_handler=lambda ctx, parts: parts["prompt"])
    talk.ask(own, prompt="Four")
    assert read[-1] == [("system", "Be kind."), ("user", "Four")]
    # What was added was not saved, and what came later is not read by who answers an earlier prompt.
    one = talk.test.run(lambda ctx: agent.list_messages(ctx, talk.thread, num_items=1))["page"][0]
    other = agent.replace(name="other")
    talk.ask(other, prompt_message=one["_id"])
    assert read[-1] == [("system", "Be kind."), ("user", "One"), ("assistant", "You said: One")]
    assert talk.said("order", "step_order", "role", "text")[:3] == [
        (0, 0, "user", "One"),
        (0, 1, "assistant", "You said: One"),
        (0, 2, "assistant", "You said: You said: One"),
    ]


def test_the_answer_to_a_saved_prompt_is_made_once(talk: Conversation) -> None:
    failing = [True]

    def flaky(messages: Any) -> Iterator[str]:
        yield "I think"
        if failing:
            failing.pop()
            raise ConnectionError("the model is busy")
        yield " so."

    flaky_agent = agent.replace(model=flaky)
    prompt = talk.say("Well?")
    with pytest.raises(ConnectionError, match="busy"):
        talk.ask(flaky_agent, prompt_message=prompt)
    assert talk.said("status", "text", "error")[1:] == [("failed", "I think", "ConnectionError: the model is busy")]
    replies = [talk.ask(flaky_agent, prompt_message=prompt) for _ in range(3)]
    assert replies[0]["text"] == "I think so."
    assert replies[0] == replies[1] == replies[2]
    assert talk.said("order", "step_order", "status") == [
        (0, 0, "success"),
        (0, 1, "failed"),
        (0, 2, "success"),
    ]


def test_the_last_attempt_to_answer_is_the_one_that_counts(talk: Conversation) -> None:
    """One whose process died, or that is slow: who comes later does not wait for it, and it says nothing any more."""
    prompt = talk.say("Well?")
    inner: list[Any] = []

    def slow(messages: Any) -> str:
        inner.append(talk.ask(agent, prompt_message=prompt))
        return "late"

    outer = talk.ask(agent.replace(model=slow), prompt_message=prompt)
    assert outer["status"] == "aborted"
    assert (outer["text"], inner[0]["text"]) == ("", "You said: Well?")
    assert talk.said("status", "text")[1:] == [("failed", ""), ("success", "You said: Well?")]


def test_an_answer_that_came_while_an_attempt_began_is_the_answer(talk: Conversation) -> None:
    prompt = talk.say("Well?")
    inner: list[Any] = []

    def meanwhile(ctx: Any, parts: Any) -> Any:
        inner.append(talk.ask(agent, prompt_message=prompt))
        return parts["prompt"]

    assert talk.ask(agent.replace(context_handler=meanwhile), prompt_message=prompt) == inner[0]
    assert (len(inner), len(read), len(talk.said())) == (1, 1, 2)


def test_an_answer_of_which_nothing_is_heard_any_more_has_failed(talk: Conversation) -> None:
    later: list[Any] = []

    def endless(messages: Any) -> Iterator[str]:
        yield "One "
        talk.test.advance(9 * 60_000)
        yield "two "
        talk.test.advance(9 * 60_000)
        later.extend(talk.said("status", "text"))
        talk.test.advance(60_000)
        later.extend(talk.said("status", "text"))
        yield "three"

    assert talk.stream(agent.replace(model=endless), prompt="Count", throttle=0)["status"] == "aborted"
    assert later[1::2] == [("streaming", "One two "), ("failed", "One two ")]
    talk.ask(agent, prompt="Count")
    assert talk.test.deployment.components["agent"].schedules.pending == {}


async def answer_later(messages: Any) -> str:
    return "later"


async def answer_in_pieces(messages: Any) -> Any:
    for piece in ("in ", {"text": "pieces", "usage": {"tokens": 2}}):
        yield piece


@pytest.mark.parametrize(
    ("model", "text", "usage"),
    [
        (lambda messages: "plain", "plain", None),
        (lambda messages: {"text": "a dict", "usage": {"tokens": 1}}, "a dict", {"tokens": 1}),
        (lambda messages: iter(["one ", "two"]), "one two", None),
        (answer_later, "later", None),
        (answer_in_pieces, "in pieces", {"tokens": 2}),
    ],
)
def test_a_model_is_any_function_that_returns_text_or_pieces(
    talk: Conversation, model: Any, text: str, usage: Any
) -> None:
    told: list[Any] = []
    one = Agent(name="one", model=model, usage_handler=lambda ctx, usage: told.append(usage))
    reply = talk.ask(one, prompt="?")
    assert reply["text"] == text
    assert talk.said("usage")[-1] == (usage,)
    about = {"agent_name": "one", "thread": talk.thread, "user": "ada", "message": reply["message"]}
    assert told == ([] if usage is None else [{**about, "usage": usage}])


def test_an_async_action_asks_an_async_model(talk: Conversation) -> None:
    later = agent.replace(model=answer_in_pieces)

    @action("tests:act_async")
    async def run(ctx: Any, thread: str) -> Any:
        return later.generate_text(ctx, thread, prompt="?")

    talk.test.deployment.register(run)
    assert talk.test.action(run, thread=talk.thread)["text"] == "in pieces"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (7, "returns text, or a dict of 'text', 'tool_calls', 'usage'"),
        ({"content": "hi"}, "returns text, or a dict"),
        ([None], "returns text, or a dict"),
        ({"tool_calls": [{"function": {}}]}, "asks for a tool by"),
    ],
)
def test_what_a_model_must_not_return_is_said_and_nothing_of_it_is_kept(
    talk: Conversation, reply: Any, words: str
) -> None:
    with pytest.raises(InvalidValueError, match=words):
        talk.ask(Agent(name="odd", model=lambda messages: reply), prompt="?")
    assert talk.said("status")[1:] == [("failed",)]


def test_what_is_asked_wrongly_is_said(talk: Conversation) -> None:
    with pytest.raises(InvalidValueError, match="cannot ask a model: an action can"):
        talk.test.run(lambda ctx: agent.generate_text(ctx, talk.thread, prompt="Hello"))  # type: ignore[arg-type]
    other = talk.new_thread()
    prompt = talk.say("Well?")
    for how in ({}, {"prompt": "a", "prompt_message": prompt}):
        with pytest.raises(InvalidValueError, match="either `prompt=`, a text, or `prompt_message=`"):
            talk.ask(agent, **how)
    nameless = {"role": "assistant", "content": "", "tool_calls": [{"name": "add"}]}
    for wrong in ("Hello", {"role": "user", "text": "Hello"}, nameless):
        with pytest.raises(InvalidValueError, match="A model reads messages such as"):
            talk.ask(agent, prompt_message=prompt, messages=[wrong])
    with pytest.raises(InvalidValueError, match="is in the thread"):
        talk.ask(agent, other, prompt_message=prompt)
    with pytest.raises(InvalidValueError, match=r"a role .* and a content"):
        talk.ask(agent, prompt=7)
    talk.test.run(lambda ctx: agent.delete_thread(ctx, other))
    with pytest.raises(DocumentNotFoundError, match="There is no thread"):
        talk.ask(agent, other, prompt="Hello?")
    talk.test.run(lambda ctx: agent.delete_messages(ctx, [prompt]))
    with pytest.raises(DocumentNotFoundError, match="There is no message"):
        talk.ask(agent, prompt_message=prompt)
    assert talk.said("order", "step_order", "role", "text") == talk.said(thread=other) == []


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"model": "gpt"}, "a name and a model, which is a function"),
        ({"name": ""}, "a name and a model"),
        ({"max_steps": 0}, "one step or more"),
        ({"context": {"recent": 3}}, "no option 'recent': it takes recent_messages"),
        ({"context": {"recent_messages": -1}}, "a whole number, and not negative"),
        ({"context": {"exclude_tool_messages": 1}}, "True or False"),
        ({"tools": [lambda ctx: 1]}, "made of a `def` with a name"),
    ],
)
def test_an_agent_says_what_it_is_not_made_of(how: Any, words: str) -> None:
    with pytest.raises(Exception, match=words):
        agent.replace(**how)
