"""Agents as steps of workflows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from convex_nb import components
from convex_nb.stock import Agent, Step, Workflows

from .conftest import Conversation

workflows = Workflows(components.workflows, retry={"max_attempts": 3, "initial_backoff": 1000})
asked: list[str] = []


def forecast(messages: Any) -> Iterator[str]:
    asked.append(messages[-1]["content"])
    yield "Rain "
    if len(asked) < 3:
        raise ConnectionError("busy")
    yield f"in {messages[-1]['content']}."


def advise(messages: Any) -> str:
    return f"{messages[-2]['content']} Take an umbrella."


weather = Agent(name="weather", model=forecast)
fashion = Agent(name="fashion", model=advise)
get_forecast = weather.as_text_action("weather:forecast", streaming=True)
get_advice = fashion.as_text_action("fashion:advice")


@workflows.define("weather:advice")
def advice(step: Step, place: str) -> Any:
    thread = weather.create_thread(step, user="ada")
    prompt = weather.save_message(step, thread, place)
    step.run_action(get_forecast, thread=thread, prompt_message=prompt)
    question = weather.save_message(step, thread, "What shall I wear?")
    return step.run_action(get_advice, thread=thread, prompt_message=question)["text"]


def test_a_workflow_asks_one_agent_after_another_until_each_has_answered(talk: Conversation) -> None:
    asked.clear()
    assert get_advice.__module__ == __name__
    talk.test.register_component(Workflows.definition)
    talk.test.deployment.register(get_forecast, get_advice, advice)
    id = talk.test.run(lambda ctx: workflows.start(ctx, advice, {"place": "Rome"}))
    talk.test.finish_all_scheduled_functions()
    status = talk.test.run(lambda ctx: workflows.status(ctx, id))
    assert (status["error"], status["result"]) == (None, "Rain in Rome. Take an umbrella.")
    thread = talk.test.run(lambda ctx: talk.threads.list_threads(ctx, "ada"))["page"][0]["_id"]
    assert talk.said("order", "status", "text", thread=thread) == [
        (0, "success", "Rome"),
        (0, "failed", "Rain "),
        (0, "failed", "Rain "),
        (0, "success", "Rain in Rome."),
        (1, "success", "What shall I wear?"),
        (1, "success", "Rain in Rome. Take an umbrella."),
    ]
