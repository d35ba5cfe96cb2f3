from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from convex_nb import InvalidValueError
from convex_nb.stock import Agent

from .conftest import Conversation

embedded: list[str] = []
MEANINGS = {"animal": ("fox", "dog", "hound"), "food": ("tea", "bread", "butter"), "place": ("rome", "paris")}


def embed(texts: list[str]) -> list[list[float]]:
    embedded.extend(texts)
    return [
        [0.01, *(float(any(word in text.lower() for word in words)) for words in MEANINGS.values())] for text in texts
    ]


async def embed_later(texts: list[str]) -> list[list[float]]:
    return embed(texts)


def agent(**context: Any) -> Agent:
    options: Any = {"recent_messages": 0, "before": 0, "after": 0, **context}
    return Agent(name="finder", model=lambda messages: "ok", context=options, embed=embed_later)


def fill(talk: Conversation) -> None:
    embedded.clear()
    for text in ("The fox runs", "Bread and butter", "We go to Paris", "Dogs like bread", "Rome is far", "It rains"):
        talk.say(text)


def found(talk: Conversation, by: Agent, prompt: str) -> list[str]:
    """What is read of earlier messages."""
    message = talk.say(prompt)
    read = talk.act(lambda ctx: by.fetch_context(ctx, message))
    talk.test.run(lambda ctx: talk.threads.delete_messages(ctx, [message]))
    assert read[-1]["content"] == prompt
    return [each["content"] for each in read[:-1]]


@pytest.mark.parametrize(
    ("context", "prompt", "expected"),
    [
        ({}, "Bread?", []),
        ({"text_search": True}, "Bread?", ["Bread and butter", "Dogs like bread"]),
        ({"text_search": True}, "hound", []),
        ({"vector_search": True, "search_limit": 1}, "hound", ["The fox runs"]),
        ({"vector_search": True, "search_limit": 2}, "hound", ["The fox runs", "Dogs like bread"]),
        # What both find goes before what one of them finds.
        ({"text_search": True, "vector_search": True, "search_limit": 1}, "hound bread", ["Dogs like bread"]),
        (
            {"text_search": True, "search_limit": 1, "before": 2, "after": 1},
            "Paris",
            ["The fox runs", "Bread and butter", "We go to Paris", "Dogs like bread"],
        ),
        (
            {"text_search": True, "recent_messages": 3},
            "bread",
            ["Bread and butter", "Dogs like bread", "Rome is far", "It rains"],
        ),
        ({"text_search": True}, "?!", []),
        ({"text_search": True, "vector_search": True, "search_limit": 0}, "bread", []),
        ({"text_search": True}, " ".join(f"word{n}" for n in range(40)) + " fox", []),
    ],
)
def test_messages_are_found_by_words_and_by_meaning(
    talk: Conversation, context: Any, prompt: str, expected: list[str]
) -> None:
    fill(talk)
    assert found(talk, agent(**context), prompt) == expected


def test_each_message_gets_one_vector_when_it_is_first_needed(talk: Conversation) -> None:
    fill(talk)
    finder = agent(vector_search=True)
    talk.ask(finder, prompt="Tea")
    assert sorted(embedded) == sorted([text for _, text in talk.said()])
    number = len(embedded)
    talk.ask(finder, prompt="More tea")
    assert embedded[number:] == ["More tea", "ok"]
    assert talk.count("vectors") == len(embedded)
    talk.test.run(lambda ctx: talk.threads.delete_thread(ctx, talk.thread))
    assert talk.count("vectors") == 0


def test_what_comes_later_failed_or_is_of_others_is_not_found(talk: Conversation) -> None:
    other, stranger = talk.new_thread(user="ada"), talk.new_thread(user="bob")
    here = talk.thread
    for talk.thread, text in ((other, "My fox is red"), (stranger, "My fox is blue"), (here, "A fox")):
        talk.say(text)
    prompt = talk.say("The fox?")
    talk.say("A later fox")
    for other_threads, expected in ((False, ["A fox"]), (True, ["My fox is red", "A fox"])):
        by = agent(text_search=True, search_other_threads=other_threads)
        read = talk.act(partial(by.fetch_context, prompt_message=prompt))
        assert [each["content"] for each in read] == [*expected, "The fox?"]


def test_a_thread_that_was_anothers_tells_what_was_said_to_oneself(talk: Conversation) -> None:
    old, here = talk.new_thread(user="bob"), talk.thread
    talk.thread = old
    talk.say("Bob has a secret")
    talk.test.run(lambda ctx: talk.threads.update_thread(ctx, old, user="ada"))
    talk.say("Ada has a fox")
    talk.thread = here
    by = agent(text_search=True, search_other_threads=True, before=1)
    read = talk.act(partial(by.fetch_context, prompt_message=talk.say("The fox?")))
    assert [each["content"] for each in read] == ["Ada has a fox", "The fox?"]


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        ([], "0 came for 1"),
        ([[]], "from 1 to 3072 finite numbers"),
        ([[0.5] * 3073], "unlike one of 3073"),
        ([[float("nan")]], "finite numbers"),
    ],
)
def test_what_are_no_vectors_is_said(talk: Conversation, vectors: Any, words: str) -> None:
    bad = agent(vector_search=True).replace(embed=lambda texts: vectors)
    with pytest.raises(InvalidValueError, match=words):
        talk.ask(bad, prompt="Tea")
    assert talk.count("vectors") == 0


def test_a_text_that_is_refused_has_no_vector_and_the_answers_go_on(talk: Conversation) -> None:
    fill(talk)

    def choosy(texts: list[str]) -> list[list[float]]:
        if any(len(text) > 20 for text in texts):
            raise ValueError("too long for me")
        return embed(texts)

    finder = agent(vector_search=True, search_limit=1).replace(embed=choosy)
    long = talk.say("The hound " + "barks and " * 3)
    assert found(talk, finder, "Hound?") == ["The fox runs"]
    assert talk.ask(finder, prompt="A very long question about dogs")["text"] == "ok"
    assert talk.ask(finder, prompt="Tea")["text"] == "ok"
    assert talk.count("vectors") == len(talk.said()) - 2
    lines = talk.test.deployment.logs.df()
    said = lines[lines["message"].str.contains(long)]
    assert (set(said["level"]), len(said)) == ({"WARN"}, 3)
    assert said["message"].iloc[0].startswith("`embed` raised ValueError: too long for me. The message")
    # As soon as it is taken, it is found too.
    assert any("barks" in text for text in found(talk, agent(vector_search=True, search_limit=8), "Hound?"))


def test_a_model_that_is_out_of_order_is_asked_a_few_times_and_answers_go_on(talk: Conversation) -> None:
    for number in range(40):
        talk.say(f"Message {number}")
    asked: list[int] = []

    def busy(texts: list[str]) -> Any:
        asked.append(len(texts))
        raise ConnectionError("busy")

    read = talk.act(
        partial(agent(vector_search=True).replace(embed=busy).fetch_context, prompt_message=talk.say("Tea"))
    )
    assert [each["content"] for each in read] == ["Tea"]
    assert asked.count(1) == 5
    assert len(asked) < 15
    assert talk.ask(agent(vector_search=True).replace(embed=busy), prompt="Tea")["text"] == "ok"
    talk.ask(agent(vector_search=True), prompt="Tea")
    assert talk.count("vectors") == len(talk.said())


def test_vectors_need_somebody_who_makes_them() -> None:
    with pytest.raises(InvalidValueError, match="needs `embed=`"):
        agent(vector_search=True).replace(embed=None)
