"""Presence: who is in which room, as long as they are heard of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from convex_nb import InvalidValueError, components, define_component, define_schema, define_table, same_value, v
from convex_nb.stock.place import place

if TYPE_CHECKING:
    from convex_nb import ActionCtx, Document, MutationCtx, QueryCtx

# Heartbeats are written beside the list of who is there: only those who come, go or change move its live views.
_component = define_component(
    "presence",
    define_schema(
        {
            "people": define_table({"room": v.string(), "user": v.string(), "data": v.any(), "since": v.number()})
            .index("by_room", ["room", "user"])
            .index("by_user", ["user", "room"]),
            "sessions": define_table(
                {
                    "room": v.string(),
                    "user": v.string(),
                    "session": v.string(),
                    "quiet": v.number(),
                    "job": v.union(v.null(), v.id("_scheduled_functions")),
                }
            ).index("by_user", ["room", "user", "session"]),
        }
    ),
)


class Person(TypedDict):
    """Somebody who is in a room, since when (milliseconds since the epoch), and what they say of themselves."""

    user: str
    data: dict[str, Any]
    since: float


People: TypeAlias = list[Person]
Names: TypeAlias = list[str]


class Presence:
    """Who is in a room: whoever has had a heartbeat there in the last `timeout` milliseconds.

    Who is quiet for so long is taken off the list by a scheduled function, at that very time. So queries read no clock,
    and a live list moves when somebody comes, goes, or says something else, but at no other heartbeat.
    """

    definition: Final = _component
    """What to install: `dep.push(components=[Presence.definition])`."""

    def __init__(self, component: Any = components.presence, *, timeout: float = 10_000) -> None:
        is_number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
        if not is_number or not 0 < timeout < math.inf:
            raise InvalidValueError(f"A timeout is a positive number of milliseconds, not {timeout!r}.", value=timeout)
        self._component = place(component, "Presence", components.presence)
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"Presence({self._component!r}, timeout={self._timeout})"

    def heartbeat(
        self,
        ctx: MutationCtx | ActionCtx,
        room: str,
        user: str,
        data: Mapping[str, Any] | None = None,
        *,
        session: str = "",
    ) -> None:
        """Say that a user is in a room, now and for the timeout.

        `data` is added to what was said before, field by field. A user is there until all of their sessions, such as
        the tabs of a browser, are quiet. Call it more often than the timeout passes.
        """
        beat = {"room": room, "user": user, "session": session, "data": dict(data or {}), "timeout": self._timeout}
        ctx.run_mutation(self._component.heartbeat, beat)

    def disconnect(self, ctx: MutationCtx | ActionCtx, room: str, user: str, *, session: str = "") -> bool:
        """Say that a session of a user has left a room; whether it was there."""
        was_there: bool = ctx.run_mutation(self._component.disconnect, room=room, user=user, session=session)
        return was_there

    def list(self, ctx: QueryCtx | ActionCtx, room: str) -> People:
        """Those who are in a room, in the order in which they came. O(people)."""
        people: People = ctx.run_query(self._component.people, room=room)
        return people

    def rooms(self, ctx: QueryCtx | ActionCtx, user: str) -> Names:
        """The names of the rooms that a user is in. O(rooms)."""
        rooms: Names = ctx.run_query(self._component.rooms, user=user)
        return rooms


@_component.mutation(returns=v.null())
def heartbeat(ctx: MutationCtx, room: str, user: str, session: str, data: dict[str, Any], timeout: float) -> None:
    quiet = ctx.now() + timeout
    found = _session(ctx, room, user, session)
    if found is None:
        id = ctx.db.insert("sessions", {"room": room, "user": user, "session": session, "quiet": quiet, "job": None})
        ctx.db.patch(id, {"job": ctx.scheduler.run_at(quiet, look, id=id)})
    else:
        # Its job finds this when it looks: one job for a session, however often its heart beats.
        ctx.db.patch(found["_id"], {"quiet": quiet})
    person = _person(ctx, room, user)
    if person is None:
        ctx.db.insert("people", {"room": room, "user": user, "data": data, "since": ctx.now()})
    elif not same_value(person["data"], said := {**person["data"], **data}):
        ctx.db.patch(person["_id"], {"data": said})


@_component.mutation(returns=v.boolean())
def disconnect(ctx: MutationCtx, room: str, user: str, session: str) -> bool:
    found = _session(ctx, room, user, session)
    if found is None:
        return False
    ctx.scheduler.cancel(found["job"])
    _leave(ctx, found)
    return True


@_component.query
def people(ctx: QueryCtx, room: str) -> Any:
    found = ctx.db.query("people").with_index("by_room", room=room).collect()
    fields = [{field: each[field] for field in ("user", "data", "since")} for each in found]
    return sorted(fields, key=lambda each: (each["since"], each["user"]))


@_component.query
def rooms(ctx: QueryCtx, user: str) -> Any:
    return [each["room"] for each in ctx.db.query("people").with_index("by_user", user=user).collect()]


@_component.internal_mutation
def look(ctx: MutationCtx, id: str) -> None:
    """Take a session off that has been quiet for long enough; look again when the others will have been."""
    found = ctx.db.get(id)
    if found is None:
        return
    if found["quiet"] > ctx.now():
        ctx.db.patch(id, {"job": ctx.scheduler.run_at(found["quiet"], look, id=id)})
    else:
        _leave(ctx, found)


def _leave(ctx: MutationCtx, session: Document) -> None:
    room, user = session["room"], session["user"]
    ctx.db.delete(session["_id"])
    if ctx.db.query("sessions").with_index("by_user", room=room, user=user).first() is None:
        person = _person(ctx, room, user)
        if person is not None:
            ctx.db.delete(person["_id"])


def _session(ctx: QueryCtx, room: str, user: str, session: str) -> Document | None:
    return ctx.db.query("sessions").with_index("by_user", room=room, user=user, session=session).unique()


def _person(ctx: QueryCtx, room: str, user: str) -> Document | None:
    return ctx.db.query("people").with_index("by_room", room=room, user=user).unique()
