from __future__ import annotations

import threading
from typing import Any

import pytest

from convex_nb import v
from convex_nb.deployment.deployment import Deployment
from convex_nb.stock import Agent, Tool, tool
from convex_nb.stock.trials import page
from tests.until import PATIENCE, until

from .conftest import Gate, Reader


def echo(messages: Any) -> Any:
    return {"text": f"You said: {messages[-1]['content']}", "usage": {"tokens": 3}}


@tool
def price(ctx: Any, article: str) -> float:
    """What an article costs."""
    return {"tea": 4.0}[article]


ask_boss = Tool("ask_boss", description="Ask the boss.", args={"question": v.string()})


def sell(messages: Any, tools: Any) -> Any:
    last = messages[-1]
    if last["role"] == "tool":
        return f"It says {last['content']}."
    name, arg = ("ask_boss", "question") if "boss" in last["content"] else ("price", "article")
    return {"tool_calls": [{"name": name, "args": {arg: last["content"]}}]}


def refuse(messages: Any) -> Any:
    raise ConnectionError("<b>busy</b>")


polly = Agent(name="Polly", model=echo, instructions="You are a parrot.")
keeper = Agent(name="Keeper", model=sell, tools=[price, ask_boss], max_steps=2)


def test_without_threads_and_agents_it_says_so(deployment: Deployment) -> None:
    reader = Reader(deployment)
    assert "no thread yet" in reader["none"]["text"]
    assert "no agent here" in reader["agents"]["text"]
    assert "prompt" not in reader
    reader.begin_thread("ada", "A chat")
    assert "none" not in reader
    assert reader["said"]["text"] == "Nothing has been said in this thread."


def test_a_prompt_begins_a_thread_and_is_answered(deployment: Deployment) -> None:
    reader = Reader(deployment, polly, keeper, user='"ada"')
    assert "no thread of ada yet" in reader["none"]["text"]
    reader.do("send", agent="0", prompt="Hello <b>")
    assert reader.said == [
        ["0.0", "user ada", "Hello <b>", "success", ""],
        ["0.1", "assistant Polly", "You said: Hello <b>", "success", "{tokens: 3}"],
    ]
    reader.do("send", agent="1", prompt="tea")
    assert [line[1:4] for line in reader.said[2:]] == [
        ["user ada", "tea", "success"],
        ["assistant Keeper", '→ price(article="tea")', "success"],
        ["tool price", "4.0", "success"],
        ["assistant Keeper", "It says 4.0.", "success"],
    ]
    assert "notice" not in reader
    # The next prompt is for the same agent, in an empty field.
    assert reader["prompt"]["version"] == 2
    assert [row[0]["value"] for row in reader["prompt"]["rows"]] == ["1", ""]


@pytest.mark.parametrize(
    ("agent", "prompt", "notice", "last"),
    [
        (Agent(name="Busy", model=refuse), "tea", "ConnectionError: <b>busy</b>", "✗ ConnectionError: <b>busy</b>"),
        (keeper, "boss?", "Keeper waits", '→ ask_boss(question="boss?") (no result yet)'),
        (keeper.replace(max_steps=1), "tea", "`max_steps=` were not enough", "4.0"),
        (keeper, "gin", None, "It says It failed: 'gin'."),
    ],
)
def test_an_answer_that_does_not_come_is_explained(
    deployment: Deployment, agent: Agent, prompt: str, notice: str | None, last: str
) -> None:
    reader = Reader(deployment, agent)
    reader.do("send", agent="0", prompt=prompt)
    assert reader.said[-1][2] == last
    failed = [line["cells"][2] for line in reader["said"]["lines"] if line["tone"] == "bad"]
    assert all("✗" in str(text) for text in failed)
    assert bool(failed) == (prompt == "gin" or "Busy" in repr(agent))
    if notice is None:
        assert "notice" not in reader
    else:
        assert notice in reader["notice"]["text"]


def test_what_an_agent_is_saying_is_seen_and_stopped(deployment: Deployment) -> None:
    gate = Gate()
    reader = Reader(deployment, Agent(name="Teller", model=gate))
    reader.begin("send", agent="0", prompt="Tell me a story")
    until(lambda: [line[2:4] for line in reader.said[1:]] == [["Once ", "streaming"]])
    assert reader["under way"]["text"] == "Teller answers …"
    reader.begin("stop")
    assert [line[2:4] for line in reader.said[1:]] == [["Once ", "aborted"]]
    gate.opened.set()
    reader.wait()
    assert reader.said[1][2:4] == ["Once ", "aborted"]
    assert "stop" not in reader
    assert reader["notice"]["text"] == "Teller was stopped."
    reader.begin("stop")
    assert reader["notice"]["text"] == "Nothing was being said."


def test_what_an_agent_does_between_two_steps_is_its_last(deployment: Deployment) -> None:
    begun, opened = threading.Event(), threading.Event()

    @tool
    def look(ctx: Any, question: str) -> str:
        begun.set()
        assert opened.wait(PATIENCE)
        return "nothing"

    def seek(messages: Any, tools: Any) -> Any:
        return {"tool_calls": [{"name": "look", "args": {"question": "where?"}}]}

    reader = Reader(deployment, Agent(name="Seeker", model=seek, tools=[look], max_steps=9))
    reader.begin("send", agent="0", prompt="Seek")
    assert begun.wait(PATIENCE)
    reader.begin("stop")
    assert "told to end" in reader["notice"]["text"]
    opened.set()
    reader.wait()
    assert reader["notice"]["text"] == "Seeker was stopped."
    assert [line[1] for line in reader.said] == ["user", "assistant Seeker", "tool look"]


def test_threads_are_the_newest_first_of_a_user_or_all_and_more_when_asked(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "STEP", 2)
    reader = Reader(deployment)
    for user, title in (("bob", "first"), (None, "nobody's"), ("ada", "third")):
        reader.begin_thread(user, title)
    assert reader.labels == ["third", "nobody's"]
    assert [each["value"] for each in reader["users"]["rows"][0]] == [""]
    assert reader["users"]["rows"][0][0]["choices"][1:] == [("null", "nobody"), ('"ada"', "ada"), ('"bob"', "bob")]
    reader.begin("more", "threads")
    assert reader.labels == ["third", "nobody's", "first"]
    assert "more" not in reader
    for user, labels in (('"bob"', ["first"]), ("null", ["nobody's"]), ('"ada"', ["third"])):
        reader.begin("user", user=user)
        assert reader.labels == labels
        assert reader["title"]["text"] == labels[0]
    reader.begin_thread("ada", "newest")
    assert reader.labels == ["newest", "third"]
    assert reader["title"]["text"] == "third"
    reader.begin("thread", reader["threads"]["items"][0]["key"])
    assert reader["title"]["text"] == "newest"
    reader.begin("create", title="", user="eve")
    assert reader["kind"]["text"].startswith("a thread of eve")
    assert reader["users"]["rows"][0][0]["value"] == '"eve"'
    shown = reader.page.memory["thread"]
    reader.run(lambda ctx: [reader.threads.save_message(ctx, shown, word) for word in ("one", "two", "three")])
    assert [line[2] for line in reader.said] == ["two", "three"]
    reader.begin("more", "messages")
    assert [line[2] for line in reader.said] == ["one", "two", "three"]
    reader.run(lambda ctx: reader.threads.delete_thread(ctx, shown))
    reader.begin("user", user="")
    assert reader["title"]["text"] == "newest"


def test_a_prompt_is_saved_its_context_looked_at_and_then_it_is_answered(deployment: Deployment) -> None:
    reader = Reader(deployment, polly, keeper)
    reader.do("save", agent="0", prompt="Hello")
    assert [line[0] for line in reader.said] == ["0.0"]
    assert '"text": "Hello"' in reader["message"]["text"]
    prompt = reader.key("0.0")
    reader.do("context", prompt, agent="0")
    assert [line["cells"] for line in reader["context"]["lines"]] == [
        ["system", "You are a parrot."],
        ["user", "Hello"],
    ]
    assert "tools" not in reader
    reader.do("context", prompt, agent="1")
    assert [line["cells"] for line in reader["context"]["lines"]] == [["user", "Hello"]]
    assert "What an article costs." in reader["tools"]["text"]
    reader.do("answer", prompt, agent="0")
    assert reader.said[-1][2] == "You said: Hello"
    reader.do("answer", prompt, agent="0")
    assert "Polly has answered this" in reader["notice"]["text"]
    reader.begin("shut", "context")
    reader.begin("message", prompt)
    assert "context" not in reader
    assert "message" not in reader


def test_an_agent_is_tried_with_other_instructions(deployment: Deployment) -> None:
    reader = Reader(deployment, polly, keeper)
    reader.do("save", agent="0", prompt="Hello")
    assert "instructions 0" not in reader
    reader.begin("instructions")
    assert reader["instructions 0"]["rows"][0][0]["value"] == "You are a parrot."
    for act, agent, told in (
        ("instruct", "0", ["You are an <b>owl</b>."]),
        ("nothing", "1", []),
        ("instruct", "1", ["You are an <b>owl</b>."]),
        ("uninstruct", "0", ["You are a parrot."]),
    ):
        reader.begin("agent", agent=agent)
        reader.begin(act, agent, instructions="You are an <b>owl</b>. ")
        reader.do("context", reader.key("0.0"), agent=agent)
        assert [line["cells"][1] for line in reader["context"]["lines"][:-1]] == told
        assert [reader[f"instructions {agent}"]["rows"][0][0]["value"]] == (told or [""])
    assert reader["prompt"]["rows"][0][0]["choices"] == [("0", "Polly"), ("1", "Keeper, instructed otherwise")]
    reader.begin("instruct", "0", instructions="")
    reader.do("context", reader.key("0.0"), agent="0")
    assert [line["cells"] for line in reader["context"]["lines"]] == [["user", "Hello"]]


def test_a_long_text_is_cut_and_whole_when_it_is_opened(deployment: Deployment) -> None:
    reader = Reader(deployment)
    thread = reader.begin_thread()
    reader.run(lambda ctx: reader.threads.save_message(ctx, thread, "x" * 5_000))
    assert len(reader.said[0][2]) == 4_001
    reader.begin("message", reader.key("0.0"))
    assert "x" * 5_000 in reader["message"]["text"]


def test_what_is_refused_changes_nothing(deployment: Deployment) -> None:
    reader = Reader(deployment, polly)
    reader.begin("send", agent="0", prompt=" \n")
    assert reader["notice"]["tone"] == "bad"
    assert reader.labels == []
    thread = reader.begin_thread("ada", "A chat")
    assert reader.labels == ["A chat"]
    reader.do("send", agent="0", prompt="Hello")
    prompt = reader.key("0.0")
    reader.run(lambda ctx: reader.threads.delete_messages(ctx, [prompt]))
    assert len(reader.said) == 1
    reader.begin("answer", prompt, agent="0")
    assert "not there any more" in reader["notice"]["text"]
    reader.run(lambda ctx: reader.threads.delete_thread(ctx, thread))
    # It went after the page was drawn: nobody has said so yet.
    reader.page.memory["thread"] = thread
    reader.begin("send", agent="0", prompt="Hello")
    assert "no thread" in reader["notice"]["text"]
    reader.do("send", agent="0", prompt="Hello")
    assert [line[2] for line in reader.said] == ["Hello", "You said: Hello"]


def test_its_own_reading_is_no_call_of_the_application(deployment: Deployment) -> None:
    from convex_nb.views.dashboard.logs import Wanted, call_lines

    reader = Reader(deployment, polly)
    reader.do("save", agent="0", prompt="Hello")
    shown = [line["cells"][1] for line in call_lines(deployment, Wanted())]
    assert "playground:send" in shown
    assert "playground:read" not in shown
