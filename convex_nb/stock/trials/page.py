"""The page of the playground: threads at the left, what is said in one of them, and prompts for agents to answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from convex_nb import InvalidValueError
from convex_nb.deployment.definitions import anonymous_function
from convex_nb.stock.trials.attempts import Attempts
from convex_nb.stock.trials.lines import HEADS, as_json, context_lines, is_under_way, message_lines
from convex_nb.stock.trials.reading import Seen, read
from convex_nb.views.cells import one_line, time_text
from convex_nb.views.dashboard.blocks import (
    Block,
    Item,
    bar,
    button,
    choice,
    code,
    copier,
    field,
    form,
    grid,
    listing,
    words,
)
from convex_nb.views.dashboard.page import Host, Page

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.stock.agents.agent import Agent, Reply
    from convex_nb.stock.agents.threads import Message, Thread, Threads
    from convex_nb.stock.trials.attempts import Notice
    from convex_nb.views.dashboard.blocks import Field, Tone

STEP: Final = 50
"""So many threads and messages are shown at first, and as many more whenever they are asked for."""


class ThreadsPage(Page):
    """The threads of one component. Its reader writes as an application does, by `Threads`; agents answer in actions.

    `attempts` outlives the page: what an agent is at goes on while nobody looks.
    """

    name: ClassVar[str] = "threads"

    def __init__(
        self,
        deployment: Deployment,
        host: Host,
        memory: dict[str, Any],
        component: str,
        threads: Threads,
        agents: Sequence[Agent],
        attempts: Attempts,
    ) -> None:
        self._component = component
        self._threads = threads
        self._agents = {str(number): agent for number, agent in enumerate(agents)}
        self._attempts = attempts
        self._version = -1
        self._seen: Seen = {"threads": [], "users": [], "thread": None, "messages": []}
        super().__init__(deployment, host, memory)

    def follow(self) -> None:
        self.on_commits("threads", "messages", "deltas")

    def has_moved(self) -> bool:
        return self._version != self._attempts.version

    def refresh(self) -> bool:
        """Make the blocks anew if something has changed, and say what an agent's end leaves to be said."""
        notice = self._attempts.take_notice()
        if notice is not None:
            self.say(notice[1], notice[0])
            self.stale = True
        return super().refresh()

    # -- what is shown

    def blocks(self) -> Iterable[Block]:
        self._version = self._attempts.version
        threads_most, messages_most, chosen = self._most("threads"), self._most("messages"), self._thread
        self._seen = seen = read(
            self.deployment,
            self._component,
            of=self._of(),
            thread=chosen,
            threads_most=threads_most,
            messages_most=messages_most,
        )
        thread = seen["thread"]
        if self._thread == chosen:  # Its reader may have turned to another one in the meantime.
            # It stays when a newer one begins.
            self.memory["thread"] = thread and thread["_id"]
        yield listing("threads", "Threads", map(self._item, seen["threads"][:threads_most]), "thread")
        if len(seen["threads"]) > threads_most:
            yield listing("more", "There are more", [{"key": "threads", "label": f"Show {STEP} more"}], "more")
        yield from self._chooser()
        if thread is None:
            of = "".join(f" of {_called(user)}" for user in self._of())
            yield words("none", f"There is no thread{of} yet: a prompt or “New thread” begins one.", "soft")
        else:
            yield from self._conversation(thread)
        yield from self._under_way()
        yield from super()._said()
        yield from self._prompt()

    def _said(self) -> Iterable[Block]:
        # Not above the page: an answer ends, or does not, where the prompt is.
        return ()

    def _item(self, thread: Thread) -> Item:
        label = one_line(thread["title"], 60) if thread["title"] else _when(thread)
        return {
            "key": thread["_id"],
            "label": label,
            "note": one_line(thread["user"] or "", 20),
            "on": thread["_id"] == self._thread,
        }

    def _chooser(self) -> Iterator[Block]:
        of = self._of()
        users = [*of, *(user for user in self._seen["users"] if user not in of)]
        choices = [("", "all users"), *((json.dumps(user), _called(user)) for user in users)]
        chosen = json.dumps(of[0]) if of else ""
        new = button("New thread", "new", "begin a thread")
        yield form("users", [[choice("user", "Threads of", choices, chosen, eager="user")]], [new])
        if self.memory.get("is_making"):
            fields = [field("title", "Title", wide=True), field("user", "User", self._user() or "")]
            buttons = [button("Create", "create", submits=True, tone="ok"), button("Cancel", "new")]
            yield form("new", [fields], buttons, title="New thread")

    def _conversation(self, thread: Thread) -> Iterator[Block]:
        most = self._most("messages")
        messages = self._seen["messages"][-most:]
        yield words("title", thread["title"] or "Untitled")
        about = f"a thread of {_called(thread['user'])}, begun {_when(thread)} UTC"
        yield words("kind", "\n".join(filter(None, [about, thread["summary"]])), "soft")
        buttons = [copier("Copy id", thread["_id"], "copy the thread's id")]
        if len(self._seen["messages"]) > most:
            buttons.append(button("Earlier messages", "more", f"show {STEP} more", key="messages"))
        yield bar("thread", buttons)
        opened = next((each for each in messages if each["_id"] == self.memory.get("message")), None)
        lines = message_lines(messages, opened and opened["_id"])
        yield grid("said", "Messages", HEADS, lines, "Nothing has been said in this thread.", "message")
        if opened is not None:
            yield from self._opened(opened)
        context = self.memory.get("context")
        if context is not None:
            yield bar("context bar", [button("✕ Close", "shut", "close the context", key="context")])
            lines = context_lines(context["messages"])
            yield grid("context", context["title"], ["role", "content"], lines, "It would read nothing.")
            if context["tools"]:
                yield code("tools", "The tools that it is told of", as_json(context["tools"]))

    def _opened(self, message: Message) -> Iterator[Block]:
        yield bar("message bar", [button("✕ Close", "shut", "close the message", key="message")])
        told = {name: value for name, value in message.items() if value is not None and value != []}
        yield code("message", f"Message {_number(message)}", as_json(told), open=True)
        if message["role"] == "user" and self._agents:
            key = message["_id"]
            reads = button("What would it read?", "context", "the agent's context for this", key=key, submits=True)
            answers = button("Let it answer", "answer", "the agent answers this message", key=key, submits=True)
            yield form("answers", [[self._agent_field()]], [reads, answers])

    def _under_way(self) -> Iterator[Block]:
        running = self._attempts.running(self._thread)
        if not running and not is_under_way(self._seen["messages"]):
            return
        text = " ".join(f"{each.text} …" for each in running) or "An answer is being made …"
        yield words("under way", text, "soft")
        if is_under_way(self._seen["messages"]) or any(each.can_be_stopped for each in running):
            yield bar("stop", [button("Stop", "stop", "end what is being said", tone="bad")])

    def _prompt(self) -> Iterator[Block]:
        if not self._agents:
            nothing = "There is no agent here to try: `playground(agent)` takes one, or several."
            yield words("agents", nothing, "soft")
            return
        text = field("prompt", "Prompt (Ctrl+Enter sends it)", kind="area", wide=True)
        buttons = [
            button("Send", "send", "save the prompt and let the agent answer", submits=True, tone="ok"),
            button("Save only", "save", "save the prompt, and ask nobody", submits=True),
        ]
        rows = [[self._agent_field()], [text]]
        is_open = bool(self.memory.get("is_instructing"))
        buttons.append(button("Instructions", "instructions", "try the agent with other instructions", on=is_open))
        yield form("prompt", rows, buttons, title="Try a prompt", version=self.memory.get("sent", 0))
        if is_open:
            yield self._instructions()

    def _agent_field(self) -> Field:
        choices = [
            (key, f"{agent.name}, instructed otherwise" if key in self._instructed else agent.name)
            for key, agent in self._agents.items()
        ]
        return choice("agent", "Agent", choices, self._chosen, eager="agent")

    def _instructions(self) -> Block:
        key = self._chosen
        agent, is_other = self._agents[key], key in self._instructed
        given = self._instructed[key] if is_other else agent._instructions
        label = "Instructions (Ctrl+Enter uses them)"
        text = field("instructions", label, given or "", kind="area", wide=True)
        buttons = [button("Use", "instruct", "until this cell runs again", key=key, submits=True)]
        if is_other:
            buttons.append(button("Its own", "uninstruct", "what the agent was made with", key=key))
        title = f"What {agent.name} is told here"
        tone: Tone = "warn" if is_other else "plain"
        return form(f"instructions {key}", [[text]], buttons, title=title, tone=tone)

    # -- what a reader does

    def do_user(self, content: Mapping[str, Any]) -> None:
        self.memory["user"] = content["entries"]["user"]
        self.memory.pop("threads_most", None)
        self._turn(None)

    def do_thread(self, content: Mapping[str, Any]) -> None:
        self._turn(content["key"])

    def do_more(self, content: Mapping[str, Any]) -> None:
        self.memory[f"{content['key']}_most"] = self._most(content["key"]) + STEP

    def do_message(self, content: Mapping[str, Any]) -> None:
        self.memory["message"] = None if content["key"] == self.memory.get("message") else content["key"]

    def do_shut(self, content: Mapping[str, Any]) -> None:
        self.memory[content["key"]] = None

    def do_new(self, _: Mapping[str, Any]) -> None:
        self.memory["is_making"] = not self.memory.get("is_making")

    def do_create(self, content: Mapping[str, Any]) -> None:
        title, user = (content["entries"][name].strip() or None for name in ("title", "user"))
        made = self._write("create", lambda ctx: self._threads.create_thread(ctx, title=title, user=user))
        self.memory["is_making"] = False
        if self._of() not in ([], [user]):
            self.memory["user"] = json.dumps(user)
        self._turn(made)

    def do_send(self, content: Mapping[str, Any]) -> None:
        agent = self._agent(content)
        thread, prompt = self._save(content)
        self._answer(agent, thread, prompt)

    def do_save(self, content: Mapping[str, Any]) -> None:
        _, prompt = self._save(content)
        self.memory["message"] = prompt

    def do_answer(self, content: Mapping[str, Any]) -> None:
        agent, message = self._agent(content), self._message(content)
        answers = [each for each in self._seen["messages"] if each["order"] == message["order"]]
        own = [each for each in answers if each["agent_name"] == agent.name and each["status"] == "success"]
        if own and own[-1]["role"] == "assistant" and not own[-1]["tool_calls"]:
            self.say(
                f"{agent.name} has answered this, which it does once: send it again, or let another answer.", "warn"
            )
            return
        self._answer(agent, message["thread"], message["_id"])

    def do_context(self, content: Mapping[str, Any]) -> None:
        agent, message = self._agent(content), self._message(content)

        def keep(messages: list[Any]) -> None:
            title = f"What {agent.name} would read to answer {_number(message)}"
            tools = [each.specification for each in agent._tools.values()]
            if self._thread == message["thread"]:
                self.memory["context"] = {"title": title, "messages": messages, "tools": tools}

        self._attempts.begin(
            f"{agent.name} looks for what it would read",
            message["thread"],
            "playground:context",
            lambda ctx: agent.fetch_context(ctx, message["_id"]),
            keep,
        )

    def do_agent(self, content: Mapping[str, Any]) -> None:
        self._agent(content)

    def do_instructions(self, _: Mapping[str, Any]) -> None:
        self.memory["is_instructing"] = not self.memory.get("is_instructing")

    def do_instruct(self, content: Mapping[str, Any]) -> None:
        self._instructed[content["key"]] = content["entries"]["instructions"].strip()

    def do_uninstruct(self, content: Mapping[str, Any]) -> None:
        self._instructed.pop(content["key"], None)

    def do_stop(self, _: Mapping[str, Any]) -> None:
        thread = self._thread
        if thread is not None and self._write("stop", lambda ctx: self._threads.abort(ctx, thread)):
            return
        if any(each.can_be_stopped for each in self._attempts.running(thread)):
            self.say("It was told to end before its next call of a tool or of its model.", "soft")
        else:
            self.say("Nothing was being said.", "warn")

    def _answer(self, agent: Agent, thread: str, prompt: str) -> None:
        def told(reply: Reply) -> Notice | None:
            if reply["status"] == "waiting":
                calls = ", ".join(call["name"] for call in reply["tool_calls"])
                return "warn", f"{agent.name} waits for what `save_tool_result` says to its calls: {calls}."
            if reply["status"] == "unfinished":
                return "warn", f"{agent.name} has not come to an end: `max_steps=` were not enough."
            if reply["status"] == "aborted":
                return "soft", f"{agent.name} was stopped."
            return None

        self._attempts.begin(
            f"{agent.name} answers",
            thread,
            "playground:answer",
            lambda ctx: agent.stream_text(ctx, thread, prompt_message=prompt),
            told,
            can_be_stopped=True,
        )

    def _save(self, content: Mapping[str, Any]) -> tuple[str, str]:
        """Save a prompt, in a new thread where there is none; return the ids of both."""
        text, thread = content["entries"]["prompt"].strip(), self._thread
        if not text:
            raise InvalidValueError("A prompt has a text: nothing was saved.")

        def save(ctx: Any) -> list[str]:
            place = thread or self._threads.create_thread(ctx, user=self._user())
            return [place, self._threads.save_message(ctx, place, text)]

        place, prompt = self._write("send", save)
        self.memory["thread"] = place
        self.memory["sent"] = self.memory.get("sent", 0) + 1
        return place, prompt

    def _agent(self, content: Mapping[str, Any]) -> Agent:
        key = self.memory["agent"] = content["entries"]["agent"]
        agent = self._agents[key]
        return agent.replace(instructions=self._instructed[key] or None) if key in self._instructed else agent

    @property
    def _thread(self) -> str | None:
        """The thread that is shown, which may be deleted since."""
        thread: str | None = self.memory.get("thread")
        return thread

    @property
    def _chosen(self) -> str:
        """The key of the agent that was asked last."""
        chosen: str = self.memory.get("agent", "0")
        return chosen

    @property
    def _instructed(self) -> dict[str, str]:
        """What is tried in place of the instructions of agents, by their keys."""
        found: dict[str, str] = self.memory.setdefault("instructed", {})
        return found

    def _message(self, content: Mapping[str, Any]) -> Message:
        found = next((each for each in self._seen["messages"] if each["_id"] == content["key"]), None)
        if found is None:
            raise InvalidValueError("The message is not there any more: nothing was asked.")
        return found

    def _turn(self, thread: str | None) -> None:
        self.memory["thread"] = thread
        for name in ("message", "context", "messages_most"):
            self.memory.pop(name, None)

    def _write(self, what: str, write: Callable[[Any], Any]) -> Any:
        return self.deployment.mutation(anonymous_function(write, "mutation", f"playground:{what}"), {})

    def _most(self, what: str) -> int:
        most: int = self.memory.get(f"{what}_most", STEP)
        return most

    def _of(self) -> list[str | None]:
        chosen = self.memory.get("user")
        return [json.loads(chosen)] if chosen else []

    def _user(self) -> str | None:
        """Whose a new thread is."""
        of = self._of()
        return of[0] if of else None


def _called(user: str | None) -> str:
    return "nobody" if user is None else one_line(user, 40)


def _when(thread: Thread) -> str:
    return time_text(thread["_creationTime"])[:16]


def _number(message: Message) -> str:
    return f"{message['order']:g}.{message['step_order']:g}"
