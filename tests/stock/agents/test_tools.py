from __future__ import annotations

from typing import Any

import pytest

from convex_nb import InvalidValueError, SchemaDefinitionError, mutation, v
from convex_nb.stock import Agent, Tool, tool

from .conftest import Conversation

read: list[list[dict[str, Any]]] = []


def scripted(*answers: Any) -> Any:
    """A model that gives these answers, one a call."""
    left = list(answers)

    def model(messages: Any, tools: Any = None) -> Any:
        read.append([dict(each) for each in messages])
        return left.pop(0)

    return model


def call(name: str, id: str = "1", **args: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "args": args}


@mutation("tests:note")
def note(ctx: Any, text: str) -> str:
    return str(ctx.db.insert("notes", {"text": text}))


@tool
def add(ctx: Any, left: float, right: float = 1) -> float:
    """Add two numbers."""
    return left + right


@tool
async def remember(ctx: Any, text: str) -> dict[str, Any]:
    """Keep a text."""
    ctx.run_mutation(note, text=f"{text} ({ctx.user})")
    return {"kept": True, "by": ctx.agent.name, "here": bool(ctx.thread and ctx.prompt_message)}


@tool
def fail(ctx: Any) -> None:
    raise ConnectionError("no line")


def bare() -> None: ...


ask_human = Tool("ask_human", description="Ask somebody.", args={"question": v.string()})


@pytest.fixture(autouse=True)
def forget() -> None:
    read.clear()


def test_a_model_is_told_of_tools_by_their_names_docstrings_and_annotations(talk: Conversation) -> None:
    told: list[Any] = []

    def model(messages: Any, tools: Any) -> str:
        told.extend(tools)
        return "ok"

    talk.ask(Agent(name="helper", model=model, tools=iter([add, ask_human])).replace(instructions="Add."), prompt="?")
    assert [each["name"] for each in told] == ["add", "ask_human"]
    assert told[0]["description"] == "Add two numbers."
    assert told[0]["parameters"]["required"] == ["left"]
    assert told[0]["parameters"]["properties"]["left"] == {"type": "number"}
    assert told[1]["parameters"]["properties"] == {"question": {"type": "string"}}


def test_calls_are_run_and_saved_and_the_model_goes_on_with_their_results(talk: Conversation) -> None:
    talk.test.deployment.register(note)
    first = {"text": "Let me see.", "tool_calls": [call("add", "1", left=2, right=3), call("remember", "2", text="x")]}
    helper = Agent(name="helper", model=scripted(first, "Five."), tools=[add, remember], max_steps=2)
    reply = talk.ask(helper, prompt="2 + 3?")
    assert (reply["status"], reply["text"]) == ("success", "Five.")
    assert talk.said("order", "step_order", "role", "text", "tool_name") == [
        (0, 0, "user", "2 + 3?", None),
        (0, 1, "assistant", "Let me see.", None),
        (0, 2, "tool", "5", "add"),
        (0, 3, "tool", '{"kept": true, "by": "helper", "here": true}', "remember"),
        (0, 4, "assistant", "Five.", None),
    ]
    assert read[1][1:3] == [
        {"role": "assistant", "content": "Let me see.", "tool_calls": first["tool_calls"]},
        {"role": "tool", "content": "5", "tool_call_id": "1", "name": "add"},
    ]
    assert talk.test.deployment.table("notes").df()["text"].tolist() == ["x (ada)"]
    # Later prompts are read without them, unless one says so.
    for exclude, number in ((True, 3), (False, 8)):
        talk.ask(
            helper.replace(model=scripted("ok"), context={"exclude_tool_messages": exclude}),
            prompt="And?",
        )
        assert len(read[-1]) == number


def test_a_model_is_told_what_was_wrong_with_a_call(talk: Conversation) -> None:
    calls = [call("add", "1", left="2"), call("fail", "2"), call("teapot", "3")]
    helper = Agent(name="helper", model=scripted({"tool_calls": calls}, "Sorry."), tools=[add, fail], max_steps=2)
    assert talk.ask(helper, prompt="?")["text"] == "Sorry."
    told = talk.said("text", "error")[2:5]
    assert "Path: .left" in told[0][0]
    assert told[1] == ("It failed: no line", "ConnectionError: no line")
    assert told[2][0] == "There is no tool 'teapot'; there are: add, fail."


def test_a_result_that_fits_into_no_message_is_told_and_its_tool_run_once(talk: Conversation) -> None:
    runs: list[str] = []

    def huge(ctx: Any) -> str:
        runs.append("huge")
        return "x" * 1_000_001

    def odd(ctx: Any) -> None:
        raise ConnectionError("\ud800" + "x" * 2**21)

    calls = [{"name": "huge", "args": None}, {"name": "odd"}]
    helper = Agent(name="helper", model=scripted({"tool_calls": calls}, "Sorry."), tools=[huge, odd], max_steps=2)
    assert talk.ask(helper, prompt="?")["text"] == "Sorry."
    assert [text[:39] for role, text in talk.said() if role == "tool"] == [
        "It failed: The result has 1000001 bytes",
        "It failed: ?" + "x" * 27,
    ]
    assert runs == ["huge"]


def test_it_stops_when_its_steps_are_taken_and_goes_on_from_there(talk: Conversation) -> None:
    model = scripted({"tool_calls": [{"name": "add", "args": {"left": 1}}]}, "Two.")
    helper = Agent(name="helper", model=model, tools=[add])
    prompt = talk.say("1 + 1?")
    assert talk.ask(helper, prompt_message=prompt)["status"] == "unfinished"
    assert [role for role, _ in talk.said()] == ["user", "assistant", "tool"]
    assert talk.said("tool_call_id")[-1][0].startswith("call_")
    assert talk.ask(helper, prompt_message=prompt)["text"] == "Two."


def test_calls_whose_process_ended_are_run_by_the_next_attempt(talk: Conversation) -> None:
    runs: list[str] = []

    def before(ctx: Any) -> str:
        runs.append("before")
        return "done"

    calls = [call("before", "0"), call("add", left=1)]
    helper = Agent(name="helper", model=scripted({"tool_calls": calls}, "Two."), tools=[before, add], max_steps=2)

    def killed(ctx: Any, left: float) -> None:
        raise KeyboardInterrupt

    dying = helper.replace(tools=[before, Tool("add", args={"left": v.number()}, handler=killed)])
    prompt = talk.say("1 + 1?")
    with pytest.raises(KeyboardInterrupt):
        talk.ask(dying, prompt_message=prompt)
    assert [text for _, text in talk.said()] == ["1 + 1?", "", "done"]
    assert talk.ask(helper, prompt_message=prompt)["text"] == "Two."
    assert [text for _, text in talk.said()] == ["1 + 1?", "", "done", "2", "Two."]
    assert runs == ["before"]


def test_an_abort_between_two_steps_is_heard_before_the_next_call_of_a_tool_or_a_model(talk: Conversation) -> None:
    runs: list[str] = []

    def abort() -> int:
        return int(talk.test.run(lambda ctx: talk.threads.abort(ctx, talk.thread)))

    def stop(ctx: Any) -> str:
        runs.append("stop")
        return str(abort() if len(runs) == 1 else "no more")

    def go_on(ctx: Any) -> str:
        runs.append("go on")
        return "done"

    first = {"text": "Wait.", "tool_calls": [call("stop"), call("go_on", "2")]}
    helper = Agent(name="helper", model=scripted(first, "Done."), tools=[stop, go_on], max_steps=2)
    reply = talk.ask(helper, prompt="?")
    assert (reply["status"], runs, len(read)) == ("aborted", ["stop"], 1)
    # What was done is kept, and whoever wants an answer after that gets it.
    assert talk.said() == [("user", "?"), ("assistant", "Wait."), ("tool", "0")]
    assert talk.ask(helper, prompt_message=reply["prompt_message"])["text"] == "Done."
    assert runs == ["stop", "go on"]
    assert abort() == 0
    assert talk.ask(helper, prompt_message=reply["prompt_message"])["text"] == "Done."

    # Before a model is asked for the first time, and after the last tool of a step.
    def handler(ctx: Any, parts: Any) -> Any:
        abort()
        return parts["prompt"]

    assert talk.ask(helper.replace(context_handler=handler), prompt="?")["status"] == "aborted"
    runs.clear()
    alone = helper.replace(model=scripted({"tool_calls": [call("stop")]}))
    assert (talk.ask(alone, prompt="?")["status"], len(read)) == ("aborted", 3)
    thread = talk.test.run(lambda ctx: talk.threads.get_thread(ctx, talk.thread))
    assert thread.keys() == {"_id", "_creationTime", "user", "title", "summary"}


def test_a_tool_without_a_handler_waits_for_somebody(talk: Conversation) -> None:
    calls = [call("ask_human", "1", question="Which?"), call("add", "2", left=1)]
    helper = Agent(
        name="helper", model=scripted({"tool_calls": calls}, "The red one."), tools=[ask_human, add], max_steps=2
    )
    waiting = talk.ask(helper, prompt="Choose")
    assert (waiting["status"], waiting["tool_calls"]) == ("waiting", calls[:1])
    prompt = waiting["prompt_message"]
    assert talk.ask(helper, prompt_message=prompt) == waiting
    assert len(read) == 1

    def answer(id: str) -> Any:
        about: Any = {"agent_name": "Alex", "metadata": {"provider": "human"}}
        return talk.test.run(lambda ctx: helper.save_tool_result(ctx, prompt, id, "red", **about))

    answer("1")
    for id in ("1", "2", "other"):
        with pytest.raises(InvalidValueError, match=r"No tool call .* waits for a result"):
            answer(id)
    assert talk.ask(helper, prompt_message=prompt)["text"] == "The red one."
    assert talk.said("role", "text", "agent_name")[-2:] == [
        ("tool", "red", "Alex"),
        ("assistant", "The red one.", "helper"),
    ]
    # A call that nobody answered is no part of what is read later.
    other = Agent(name="other", model=scripted({"tool_calls": calls[:1]}, "ok"), tools=[ask_human])
    talk.ask(other, prompt="Choose")
    talk.ask(other.replace(context={"exclude_tool_messages": False}), prompt="Well?")
    assert [each["content"] for each in read[-1]][-3:] == ["The red one.", "Choose", "Well?"]


def test_what_an_agent_waits_for_is_not_answered_by_another_one(talk: Conversation) -> None:
    asks = scripted({"tool_calls": [call("ask_human", "1", question="Which?")]}, "The red one.")
    helper = Agent(name="helper", model=asks, tools=[ask_human], max_steps=2)
    waiting = talk.ask(helper, prompt="Choose")
    prompt = waiting["prompt_message"]
    other = Agent(name="other", model=scripted("I would wait."), tools=[add])
    assert talk.ask(other, prompt_message=prompt)["text"] == "I would wait."
    assert talk.ask(helper, prompt_message=prompt)["tool_calls"] == waiting["tool_calls"]
    talk.test.run(lambda ctx: helper.save_tool_result(ctx, prompt, "1", "red"))
    assert talk.ask(helper, prompt_message=prompt)["text"] == "The red one."
    assert talk.ask(other, prompt_message=prompt)["text"] == "I would wait."


def test_calls_of_one_id_are_told_apart(talk: Conversation) -> None:
    twice = {"tool_calls": [call("add", "0", left=1), call("add", "0", left=2)]}
    model = scripted(twice, {"tool_calls": [call("add", "0", left=3)]}, "Done.")
    assert talk.ask(Agent(name="helper", model=model, tools=[add], max_steps=3), prompt="?")["text"] == "Done."
    assert [text for role, text in talk.said() if role == "tool"] == ["2", "3", "4"]
    assert len({id for (id,) in talk.said("tool_call_id") if id}) == 3


def test_calls_of_two_agents_that_count_alike_are_told_apart(talk: Conversation) -> None:
    runs: list[str] = []

    def work(ctx: Any) -> str:
        runs.append(ctx.agent.name)
        if len(runs) > 9:
            pytest.fail("It runs again and again.")
        return f"done for {ctx.agent.name}"

    def counting(*answers: Any) -> Any:
        return scripted({"tool_calls": [call("work", "0")]}, *answers)

    first = Agent(name="first", model=counting("First."), tools=[work], max_steps=2)
    reply = talk.ask(first, prompt="?")
    # An answer to the answer has the same order.
    second = Agent(name="second", model=counting("Second."), tools=[work], max_steps=2)
    assert talk.ask(second, prompt_message=reply["message"])["text"] == "Second."
    assert runs == ["first", "second"]

    # Both at one time.
    prompt = talk.say("??")

    def slow(messages: Any, tools: Any) -> Any:
        if messages[-1]["role"] == "user":
            talk.ask(first.replace(model=counting("First.")), prompt_message=prompt)
            return {"tool_calls": [call("work", "0")]}
        return messages[-1]["content"]

    assert talk.ask(second.replace(model=slow), prompt_message=prompt)["text"] == "done for second"
    assert runs == ["first", "second"] * 2


def test_streamed_answers_call_tools_too(talk: Conversation) -> None:
    model = scripted(iter(["Let me ", "see.", {"tool_calls": [call("add", left=1)]}]), iter(["Two", "."]))
    reply = talk.stream(Agent(name="helper", model=model, tools=[add], max_steps=3), prompt="1 + 1?", throttle=0)
    assert reply["text"] == "Two."
    assert [text for _, text in talk.said()] == ["1 + 1?", "Let me see.", "2", "Two."]


def test_a_tool_is_a_function_of_a_context_and_annotated_arguments() -> None:
    assert add(None, 2) == 3
    with pytest.raises(SchemaDefinitionError, match="takes no context"):
        tool(bare)
    with pytest.raises(InvalidValueError, match="has no handler"):
        ask_human(None)
    with pytest.raises(InvalidValueError, match="Two tools are called `add`"):
        Agent(name="x", model=print, tools=[add, add])
