"""Threads: conversations of users, agents and people, in documents of a component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict

from convex_nb import UNDEFINED, InvalidValueError, components
from convex_nb.stock.agents.component import component
from convex_nb.stock.agents.conversations import to_said
from convex_nb.stock.agents.tools import as_text
from convex_nb.stock.place import place

if TYPE_CHECKING:
    from convex_nb import ActionCtx, MutationCtx, QueryCtx
    from convex_nb.stock.step import Step

Direction: TypeAlias = Literal["asc", "desc"]


class Thread(TypedDict):
    """A thread: whose it is, and what it is called."""

    _id: str
    _creationTime: float
    user: str | None
    title: str | None
    summary: str | None


class Message(TypedDict):
    """A message. A prompt has an `order` of its own and the `step_order` 0; what answers it has the same `order`.

    One that is "streaming" has the `text` that there is so far. `parts` is its content where that is more than text.
    """

    _id: str
    _creationTime: float
    thread: str
    user: str | None
    order: int
    step_order: int
    status: Literal["pending", "streaming", "success", "failed", "aborted"]
    role: Literal["system", "user", "assistant", "tool"]
    text: str
    parts: list[Any] | None
    tool_calls: list[dict[str, Any]]
    tool_call_id: str | None
    tool_name: str | None
    agent_name: str | None
    usage: Any
    metadata: Any
    error: str | None


class Page(TypedDict):
    """A page, as `paginate` returns it: of messages, or of threads."""

    page: list[Any]
    isDone: bool
    continueCursor: str


Messages: TypeAlias = list[Message]


class Threads:
    """Conversations. What is said has an order; who says it is a user, an `Agent`, or a person in its place.

    What writes is for mutations, actions and workflows' steps, as a part of them; what reads is for queries too.
    """

    definition: Final = component
    """What to install: `dep.push(components=[Agent.definition])`."""

    def __init__(self, component: Any = components.agent) -> None:
        self._component = place(component, type(self).__name__, components.agent)

    def __repr__(self) -> str:
        return f"Threads({self._component!r})"

    def create_thread(
        self,
        ctx: MutationCtx | ActionCtx | Step,
        *,
        user: str | None = None,
        title: str | None = None,
        summary: str | None = None,
    ) -> str:
        """Begin a thread; return its id."""
        id: str = ctx.run_mutation(self._component.create_thread, user=user, title=title, summary=summary)
        return id

    def get_thread(self, ctx: QueryCtx | ActionCtx | Step, thread: str) -> Thread | None:
        """A thread, or `None` where there is none any more."""
        found: Thread | None = ctx.run_query(self._component.get_thread, thread=thread)
        return found

    def update_thread(
        self,
        ctx: MutationCtx | ActionCtx | Step,
        thread: str,
        *,
        user: Any = UNDEFINED,
        title: Any = UNDEFINED,
        summary: Any = UNDEFINED,
    ) -> None:
        """Change what is given. Messages stay with the user whose thread it was when they were saved."""
        changes = {"user": user, "title": title, "summary": summary}
        given = {field: value for field, value in changes.items() if value is not UNDEFINED}
        ctx.run_mutation(self._component.update_thread, thread=thread, changes=given)

    def list_threads(
        self,
        ctx: QueryCtx | ActionCtx,
        user: str | None,
        options: Mapping[str, Any] | None = None,
        /,
        *,
        num_items: int = 20,
        cursor: str | None = None,
        order: Direction = "desc",
    ) -> Page:
        """A page of a user's threads, the newest first. `options` are those of a paginated function."""
        opts = dict(options or {"numItems": num_items, "cursor": cursor})
        found: Page = ctx.run_query(self._component.list_threads, user=user, options=opts, direction=order)
        return found

    def delete_thread(self, ctx: MutationCtx | ActionCtx | Step, thread: str) -> bool:
        """Delete a thread and, batch by batch in scheduled functions, its messages; whether it was there."""
        was_there: bool = ctx.run_mutation(self._component.delete_thread, thread=thread)
        return was_there

    def delete_threads(self, ctx: MutationCtx | ActionCtx | Step, user: str) -> None:
        """Delete all threads of a user, in the same way."""
        ctx.run_mutation(self._component.delete_threads_of, user=user)

    def save_message(
        self,
        ctx: MutationCtx | ActionCtx | Step,
        thread: str,
        content: str | Sequence[Any],
        *,
        role: Literal["system", "user", "assistant"] = "user",
        prompt_message: str | None = None,
        agent_name: str | None = None,
        metadata: Any = None,
    ) -> str:
        """Save what somebody says; return its id. `content` is text, or a list of parts that the model understands.

        It has the next order, as a prompt has, or with `prompt_message` it is one more answer to that one.
        """
        said = [to_said(role, content, agent_name, metadata)]
        order = {"thread": thread, "said": said, "prompt_message": prompt_message}
        id: str = ctx.run_mutation(self._component.save_messages, order)[0]
        return id

    def save_tool_result(
        self,
        ctx: MutationCtx | ActionCtx | Step,
        prompt_message: str,
        tool_call_id: str,
        result: Any,
        *,
        agent_name: str | None = None,
        metadata: Any = None,
    ) -> str:
        """Answer a tool call that an agent waits for; return the message's id.

        `generate_text(..., prompt_message=...)` goes on then. Raises `InvalidValueError` where no such call waits.
        """
        answer = {"tool_call_id": tool_call_id, "text": as_text(result), "error": None}
        more = {"prompt_message": prompt_message, "agent_name": agent_name, "metadata": metadata}
        id: str | None = ctx.run_mutation(self._component.save_result, {**answer, **more})
        if id is None:
            raise InvalidValueError(
                f"No tool call {tool_call_id!r} waits for a result: it has one, or is of another prompt. Nothing was "
                "saved. A reply that waits has its calls as `tool_calls`, and their `prompt_message`.",
                value=tool_call_id,
            )
        return id

    def list_messages(
        self,
        ctx: QueryCtx | ActionCtx,
        thread: str,
        options: Mapping[str, Any] | None = None,
        /,
        *,
        num_items: int = 20,
        cursor: str | None = None,
        order: Direction = "asc",
        exclude_tool_messages: bool = False,
    ) -> Page:
        """A page of what was said in a thread, and of what is being said. `options` are those of a paginated function.

        In a live query it follows replies as they are streamed.
        """
        which = {"thread": thread, "direction": order, "exclude_tool_messages": exclude_tool_messages}
        opts = dict(options or {"numItems": num_items, "cursor": cursor})
        found: Page = ctx.run_query(self._component.list_messages, which, options=opts)
        return found

    def last_messages(
        self, ctx: QueryCtx | ActionCtx, thread: str, limit: int = 50, *, exclude_tool_messages: bool = False
    ) -> Messages:
        """The last messages of a thread, oldest first. Follows replies in a live query, as `list_messages` does."""
        which = {"thread": thread, "limit": limit, "exclude_tool_messages": exclude_tool_messages}
        found: Messages = ctx.run_query(self._component.last_messages, which)
        return found

    def get_messages(self, ctx: QueryCtx | ActionCtx, messages: Sequence[str]) -> list[Message | None]:
        """Messages by their ids, `None` for those that are gone."""
        found: list[Message | None] = ctx.run_query(self._component.get_messages, messages=list(messages))
        return found

    def delete_messages(self, ctx: MutationCtx | ActionCtx | Step, messages: Sequence[str]) -> int:
        """Delete messages; how many there were. A reply that is being made is not finished then, nor is one to a prompt
        that is deleted: it has failed, and the agent ends."""
        return int(ctx.run_mutation(self._component.delete_messages, messages=list(messages)))

    def delete_message_range(
        self,
        ctx: MutationCtx | ActionCtx | Step,
        thread: str,
        *,
        start_order: int,
        end_order: int,
        start_step_order: int = 0,
        end_step_order: int = 0,
    ) -> int:
        """Delete from the start to before the end; how many there were. O(messages) in one transaction."""
        places = {"thread": thread, "start": [start_order, start_step_order], "end": [end_order, end_step_order]}
        return int(ctx.run_mutation(self._component.delete_range, places))

    def abort(self, ctx: MutationCtx | ActionCtx, thread: str) -> int:
        """End the replies that are being made in a thread, with the text that there is; how many there were.

        An agent that streams notices when it saves its next delta, others when their model has answered; one that is
        between two steps, or runs a tool, is not counted, and ends before its next call of a model or a tool.
        """
        return int(ctx.run_mutation(self._component.abort, thread=thread))
