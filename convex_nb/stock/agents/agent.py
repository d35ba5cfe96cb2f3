"""Agents: a language model with a name, instructions and tools, which answers in threads."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias, TypedDict

from convex_nb import DocumentNotFoundError, InvalidValueError, components, internal_action
from convex_nb.stock.agents import generation, memory  # noqa: F401 - which define what is called here
from convex_nb.stock.agents.context import (
    ContextHandler,
    ContextOptions,
    ContextParts,
    ModelMessage,
    in_order,
    to_model_message,
    to_options,
    without_orphans,
)
from convex_nb.stock.agents.conversations import unanswered
from convex_nb.stock.agents.pieces import Answer, pieces_of
from convex_nb.stock.agents.streaming import Chunking, DeltaStreamer, to_ends
from convex_nb.stock.agents.threads import Threads
from convex_nb.stock.agents.tools import Handler, Tool, ToolCtx, as_error, tools_by_name
from convex_nb.stock.retrieval import Embed, embedded_or_refused

if TYPE_CHECKING:
    from convex_nb import ActionCtx
    from convex_nb.functions.definition import Function

Model: TypeAlias = Callable[..., Any]
MakeStreamer: TypeAlias = Callable[[str], DeltaStreamer]

log: Final = logging.getLogger("convex_nb")


class Reply(TypedDict):
    """How an agent has answered: what it said last, in which message.

    It "waits" for the results of the `tool_calls` that others have to answer, is "unfinished" where `max_steps` were
    not enough, and "aborted" where somebody did not want it any more.
    """

    status: Literal["success", "waiting", "unfinished", "aborted"]
    text: str
    message: str | None
    prompt_message: str
    tool_calls: list[dict[str, Any]]


class Usage(TypedDict):
    """What a `usage_handler` gets: what the model told of one answer, and for whom that was."""

    agent_name: str
    thread: str
    user: str | None
    message: str
    usage: Any


UsageHandler: TypeAlias = "Callable[[ActionCtx, Usage], object]"


class Agent(Threads):
    """A language model that answers in threads. Everything that it says is saved there.

    `model(messages)` is any function: it gets `{"role", "content"}` dicts and returns text, or `{"text", "tool_calls",
    "usage"}`, or pieces of these one after another; it may be `async`. With tools it gets `tools=` as well.
    """

    def __init__(
        self,
        component: Any = components.agent,
        *,
        name: str,
        model: Model,
        instructions: str | None = None,
        tools: Iterable[Tool | Handler] = (),
        max_steps: int = 1,
        context: ContextOptions | None = None,
        context_handler: ContextHandler | None = None,
        usage_handler: UsageHandler | None = None,
        embed: Embed | None = None,
    ) -> None:
        """`embed(texts)` returns a vector for each text; with it, messages are found by what they mean."""
        super().__init__(component)
        if not isinstance(name, str) or not name or not callable(model):
            raise InvalidValueError(
                "An agent has a name and a model, which is a function of messages: `Agent(name='guide', model=lambda "
                f"messages: 'hello')`, not {name!r} and {model!r}. It was not made.",
                value=model,
            )
        if type(max_steps) is not int or max_steps < 1:
            raise InvalidValueError(
                f"An agent takes one step or more, not {max_steps!r}. It was not made.", value=max_steps
            )
        # Kept for `replace`, which reads them again.
        tools = list(tools)
        self._settings = {"component": component, "name": name, "model": model, "instructions": instructions}
        self._settings |= {"tools": tools, "max_steps": max_steps, "context": context}
        self._settings |= {"context_handler": context_handler, "usage_handler": usage_handler, "embed": embed}
        self.name = name
        self._model = model
        self._instructions = instructions
        self._tools = tools_by_name(tools)
        self._max_steps = max_steps
        self._context = to_options(context)
        self._context_handler = context_handler
        self._usage_handler = usage_handler
        self._embed = embed
        if self._context["vector_search"] and embed is None:
            raise InvalidValueError(
                "An agent that searches by vectors needs `embed=`, a function that makes a vector of each text of a "
                "list. It was not made.",
                value=context,
            )

    def __repr__(self) -> str:
        return f"Agent({self._component!r}, name={self.name!r})"

    def replace(self, **changes: Any) -> Self:
        """The same agent with something else: `agent.replace(max_steps=5).generate_text(...)`."""
        return type(self)(**{**self._settings, **changes})

    def generate_text(
        self,
        ctx: ActionCtx,
        thread: str,
        *,
        prompt: str | Sequence[Any] | None = None,
        prompt_message: str | None = None,
        messages: Sequence[ModelMessage] = (),
    ) -> Reply:
        """Answer a prompt, which is saved first, or one that was saved before: the id of its message.

        The answer to a `prompt_message` is made once: a call that is tried again goes on behind the steps that are
        saved, and returns an answer that is there. `messages` are read by the model besides, and not saved. Raises
        what the model raises; the message has `failed` then. For actions.
        """
        return self._answer(ctx, thread, prompt, prompt_message, messages, None)

    def stream_text(
        self,
        ctx: ActionCtx,
        thread: str,
        *,
        prompt: str | Sequence[Any] | None = None,
        prompt_message: str | None = None,
        messages: Sequence[ModelMessage] = (),
        chunking: Chunking = "word",
        throttle: float = 100,
    ) -> Reply:
        """Answer as `generate_text` does, and save what the model says while it says it.

        Whole chunks are saved, `throttle` milliseconds apart or more, so that live queries of the thread follow.
        """
        ends = to_ends(chunking)

        def make(message: str) -> DeltaStreamer:
            return DeltaStreamer(ctx, self._component.add_delta, message, ends, throttle)

        return self._answer(ctx, thread, prompt, prompt_message, messages, make)

    def as_text_action(self, path: str, *, streaming: bool = False) -> Function:
        """Make an internal action that answers: a step of a workflow, or what is scheduled or tried again.

        It takes `thread`, and `prompt` or `prompt_message`, and returns the `Reply`.
        """
        generate = self.stream_text if streaming else self.generate_text

        def answer(ctx: ActionCtx, thread: str, prompt: Any = None, prompt_message: str | None = None) -> Any:
            return generate(ctx, thread, prompt=prompt, prompt_message=prompt_message)

        # It is the caller's, who defines it: a notebook or a module that is loaded has what is its own.
        answer.__module__ = sys._getframe(1).f_globals.get("__name__", "__main__")
        return internal_action(path)(answer)

    def fetch_context(
        self, ctx: ActionCtx, prompt_message: str, *, messages: Sequence[ModelMessage] = ()
    ) -> list[ModelMessage]:
        """What the model would be given now to answer a saved prompt."""
        self._remember(ctx, prompt_message, set())
        return self._to_read(ctx, self._found(ctx, prompt_message), messages)

    def _answer(
        self,
        ctx: ActionCtx,
        thread: str,
        prompt: str | Sequence[Any] | None,
        prompt_message: str | None,
        messages: Sequence[ModelMessage],
        make_streamer: MakeStreamer | None,
    ) -> Reply:
        if not hasattr(ctx, "vector_search"):
            raise InvalidValueError(
                f"{ctx!r} cannot ask a model: an action can. Let a mutation `save_message` and schedule an action with "
                "the `prompt_message`; let a workflow take it as a step. Nothing was asked."
            )
        if (prompt is None) == (prompt_message is None):
            raise InvalidValueError(
                "An agent answers either `prompt=`, a text, or `prompt_message=`, the id of a saved one. Nothing was "
                "asked.",
                value=prompt,
            )
        if prompt_message is None:
            prompt_message = self.save_message(ctx, thread, prompt or "")
        aborts = self._found(ctx, prompt_message, thread)["aborts"]
        refused: set[str] = set()
        self._remember(ctx, prompt_message, refused)
        reply = partial(self._reply, prompt_message)
        steps = 0
        # Each round begins with what is saved, so that it does not matter who saved it.
        while True:
            try:
                found = self._found(ctx, prompt_message)
            except DocumentNotFoundError:
                return reply("aborted", ())
            answers = [each for each in found["replies"] if each["agent_name"] == self.name]
            # Another agent's calls are for that one, or wait for somebody whom it has asked.
            waiting = unanswered([*answers, *(each for each in found["replies"] if each["role"] == "tool")])
            to_run = [call for call in waiting if not self._is_for_others(call)]
            if not to_run:
                if waiting:
                    return reply("waiting", answers[-1:], waiting)
                if answers and answers[-1]["role"] == "assistant" and not answers[-1]["tool_calls"]:
                    return reply("success", answers[-1:])
                if steps == self._max_steps:
                    return reply("unfinished", answers[-1:])
            if found["aborts"] != aborts:
                return reply("aborted", answers[-1:])
            if to_run:
                self._run_tools(ctx, found, to_run)
                continue
            to_read = self._to_read(ctx, found, messages)
            message = self._begin(ctx, prompt_message, found, make_streamer is not None)
            if message is None:
                continue
            steps += 1
            if not self._ask(ctx, message, to_read, found, make_streamer):
                left = self.get_messages(ctx, [message])
                return reply("aborted", [each for each in left if each is not None])
            self._remember(ctx, prompt_message, refused)

    def _found(self, ctx: ActionCtx, prompt_message: str, thread: str | None = None) -> Any:
        options = self._context
        found = ctx.run_query(
            self._component.context,
            prompt_message=prompt_message,
            recent=options["recent_messages"],
            exclude_tool_messages=options["exclude_tool_messages"],
        )
        actual = found["prompt"][-1]["thread"]
        if thread is not None and actual != thread:
            raise InvalidValueError(
                f"The message {prompt_message!r} is in the thread {actual!r}, not in {thread!r}. Nothing was asked.",
                value=prompt_message,
            )
        return found

    def _to_read(self, ctx: ActionCtx, found: Any, messages: Sequence[ModelMessage]) -> list[ModelMessage]:
        saved = {part: list(map(to_model_message, found[part])) for part in ("recent", "prompt", "replies")}
        options = self._context
        searched = []
        if options["search_limit"] and (options["text_search"] or options["vector_search"]):
            order = {
                "prompt_message": found["prompt"][-1]["_id"],
                "by_text": options["text_search"],
                "by_vector": options["vector_search"],
                "other_threads": options["search_other_threads"],
                "limit": options["search_limit"],
                "before": options["before"],
                "after": options["after"],
                "exclude_tool_messages": options["exclude_tool_messages"],
                "known": [each["_id"] for each in found["recent"]],
            }
            searched = ctx.run_query(self._component.search, order)
        parts: ContextParts = {
            "search": list(map(to_model_message, searched)),
            "recent": saved["recent"],
            "messages": list(messages),
            "prompt": saved["prompt"],
            "replies": saved["replies"],
        }
        chosen = in_order(parts) if self._context_handler is None else self._context_handler(ctx, parts)
        system = [] if self._instructions is None else [{"role": "system", "content": self._instructions}]
        return [*system, *without_orphans(chosen)]

    def _remember(self, ctx: ActionCtx, prompt_message: str, refused: set[str]) -> None:
        """Give vectors to messages of the thread that have none, and say which ones `embed` refuses."""
        if self._embed is None:
            return
        without = ctx.run_query(self._component.without_vectors, prompt_message=prompt_message)
        texts = {each["message"]: each["text"] for each in without if each["message"] not in refused}
        if not texts:
            return
        vectors = {}
        # The newest are the first ones: those that are refused stand in the way of none that comes later.
        for message, vector in zip(texts, embedded_or_refused(self._embed, list(texts.values())), strict=False):
            if isinstance(vector, Exception):
                refused.add(message)
                # The reason first: logs show the beginnings of long lines.
                log.warning(
                    "`embed` raised %s. The message %r has no vector, and is not found by what it means; the agent %r "
                    "goes on without it, and asks again with the thread's next answer.",
                    as_error(vector),
                    message,
                    self.name,
                )
            else:
                vectors[message] = vector
        if vectors:
            order = {"messages": list(vectors), "vectors": list(vectors.values())}
            ctx.run_mutation(self._component.save_vectors, order)

    def _begin(self, ctx: ActionCtx, prompt_message: str, found: Any, streaming: bool) -> str | None:
        order = {"prompt_message": prompt_message, "agent_name": self.name, "streaming": streaming}
        id: str | None = ctx.run_mutation(
            self._component.begin, order, replies=len(found["replies"]), aborts=found["aborts"]
        )
        return id

    def _ask(
        self,
        ctx: ActionCtx,
        message: str,
        to_read: list[ModelMessage],
        found: Any,
        make_streamer: MakeStreamer | None,
    ) -> bool:
        """Have the model answer once, and keep that in a message; whether there was still need of it."""
        answer = Answer()
        streamer = make_streamer and make_streamer(message)
        tools = {"tools": [tool.specification for tool in self._tools.values()]} if self._tools else {}
        try:
            with closing(pieces_of(self._model(to_read, **tools))) as pieces:  # type: ignore[type-var]
                for piece in pieces:
                    if not streamer:
                        answer.add(piece)
                    elif not streamer.add(answer.add(piece)):
                        return False
            calls = [
                {"id": str(call.get("id") or ""), "name": call["name"], "args": dict(call.get("args") or {})}
                for call in answer.tool_calls
            ]
            kept = {"message": message, "text": answer.text, "tool_calls": calls, "usage": answer.usage}
            is_kept: bool = ctx.run_mutation(self._component.finish, kept)
        except BaseException as error:
            told = {"message": message, "text": answer.text, "error": as_error(error)}
            ctx.run_mutation(self._component.fail, told)
            raise
        if self._usage_handler is not None and answer.usage is not None:
            prompt = found["prompt"][-1]
            who = {"agent_name": self.name, "thread": prompt["thread"], "user": prompt["user"]}
            self._usage_handler(ctx, {**who, "message": message, "usage": answer.usage})  # type: ignore[typeddict-item]
        return is_kept

    def _is_for_others(self, call: Mapping[str, Any]) -> bool:
        return call["name"] in self._tools and self._tools[call["name"]].handler is None

    def _run_tools(self, ctx: ActionCtx, found: Any, calls: Sequence[Mapping[str, Any]]) -> None:
        """Run tools, as long as their results are wanted."""
        prompt = found["prompt"][-1]
        own = ToolCtx(ctx, self, prompt["thread"], prompt["user"], prompt["_id"])
        order = {"prompt_message": prompt["_id"], "agent_name": self.name, "metadata": None}
        for call in calls:
            if ctx.run_query(self._component.aborts, thread=prompt["thread"]) != found["aborts"]:
                return
            tool = self._tools.get(call["name"])
            names = ", ".join(self._tools) or "none"
            told = f"There is no tool {call['name']!r}; there are: {names}."
            result = {"text": told, "error": told} if tool is None else tool.run(own, call["args"])
            try:
                # At once: what was done is not done again if the next one does not come to its end.
                ctx.run_mutation(self._component.save_result, {**order, **result}, tool_call_id=call["id"])
            except DocumentNotFoundError:
                # It was deleted while the tool ran: there is nobody left to tell.
                return

    def _reply(
        self,
        prompt_message: str,
        status: Literal["success", "waiting", "unfinished", "aborted"],
        answers: Sequence[Mapping[str, Any]],
        tool_calls: Sequence[Mapping[str, Any]] = (),
    ) -> Reply:
        last = answers[-1] if answers else None
        return {
            "status": status,
            "text": "" if last is None else last["text"],
            "message": None if last is None else last["_id"],
            "prompt_message": prompt_message,
            "tool_calls": [dict(call) for call in tool_calls],
        }
