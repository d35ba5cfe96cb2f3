"""What there is to see of agents in a deployment: threads, their users, and the messages of one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, TypedDict

from convex_nb.deployment.components.installed import inside
from convex_nb.deployment.definitions import anonymous_function
from convex_nb.stock.agents.component import as_shown

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.stock.agents.threads import Message, Thread

USERS_MOST: Final = 100
"""Users to choose from: each costs a step in the index of threads."""


class Seen(TypedDict):
    """The newest threads, of some users or of all; who has threads; one thread, and its last messages, oldest first."""

    threads: list[Thread]
    users: list[str | None]
    thread: Thread | None
    messages: list[Message]


def read(
    deployment: Deployment,
    component: str,
    *,
    of: list[str | None],
    thread: str | None,
    threads_most: int,
    messages_most: int,
) -> Seen:
    """Look at the newest commit: all of it is of one moment. `thread` is the newest one where it is not there.

    Of threads and messages there is one more than asked for, where there are more. O(what is read).
    """
    chosen = {"of": of, "thread": thread, "threads_most": threads_most + 1, "messages_most": messages_most + 1}
    seen: Seen = deployment.query(_seen, {"component": component, **chosen})
    return seen


def _read(
    ctx: Any, component: str, of: list[Any], thread: Any, threads_most: int, messages_most: int
) -> dict[str, Any]:
    db = inside(ctx.db, component)
    newest = db.query("threads")
    if of:
        newest = newest.with_index("by_user", user=of[0])
    threads = newest.order("desc").take(threads_most)
    shown = db.get(thread) if thread is not None and db.normalize_id("threads", thread) else None
    if shown is None and threads:
        shown = threads[0]
    messages: list[Any] = []
    if shown is not None:
        last = db.query("messages").with_index("by_order", thread=shown["_id"]).order("desc").take(messages_most)
        messages = [as_shown(SimpleNamespace(db=db), each) for each in reversed(last)]  # type: ignore[arg-type]
    return {"threads": threads, "users": _users(db), "thread": shown, "messages": messages}


def _users(db: Any) -> list[str | None]:
    users: list[str | None] = []
    # From one user to the next, however many threads each has.
    first = db.query("threads").with_index("by_user").first()
    while first is not None and len(users) < USERS_MOST:
        users.append(first["user"])
        first = db.query("threads").with_index("by_user", lambda q: q.gt("user", users[-1])).first()
    return users


_seen = anonymous_function(_read, "query", "playground:read")
