"""Documents and functions, typed. Written by `convex-nb codegen`: do not edit it, write it again.

`Api(caller)` calls public functions, `Internal(caller)` internal ones. The caller is a deployment, a client of it, the
client of the package `convex`, or `Within(ctx)` inside of a function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NotRequired, Protocol, TypedDict, Unpack

if TYPE_CHECKING:
    from convex_nb import Id, Int64


class Caller(Protocol):
    """Calls functions by their paths."""

    def query(self, path: str, args: Any, /) -> Any: ...
    def mutation(self, path: str, args: Any, /) -> Any: ...
    def action(self, path: str, args: Any, /) -> Any: ...


class Within:
    """A caller inside of a function: `Api(Within(ctx))`. What the function's `ctx` cannot call, it cannot."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx

    def query(self, path: str, args: Any, /) -> Any:
        return self._ctx.run_query(path, args)

    def mutation(self, path: str, args: Any, /) -> Any:
        return self._ctx.run_mutation(path, args)

    def action(self, path: str, args: Any, /) -> Any:
        return self._ctx.run_action(path, args)


AnythingDocument = dict[str, Any]


class MessagesDocumentPlace(TypedDict):
    """An object."""

    x: float
    y: float


class MessagesDocument(TypedDict):
    """A document of the table messages."""

    _id: Id
    _creationTime: float
    author: Id
    body: str
    mood: Literal["good", "bad"] | None
    seen: NotRequired[Int64]
    place: MessagesDocumentPlace


class UsersDocument1(TypedDict):
    """A document of the table users."""

    _id: Id
    _creationTime: float
    kind: Literal["person"]
    name: str


UsersDocument2 = TypedDict(
    "UsersDocument2",
    {
        "_id": "Id",
        "_creationTime": "float",
        "kind": 'Literal["robot"]',
        "class": "str",
    },
)


UsersDocument = UsersDocument1 | UsersDocument2


AdminTools2ImportArgs = TypedDict(
    "AdminTools2ImportArgs",
    {
        "from": "str",
        "raw": "bytes",
    },
)


class AdminTools2:
    """The functions of admin/tools-2."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def import_(self, /, **args: Unpack[AdminTools2ImportArgs]) -> Any:
        return self._caller.action("admin/tools-2:import", args)


class Admin:
    """The functions of admin."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.tools_2 = AdminTools2(caller)


class MessagesRecentArgs(TypedDict):
    """What messages:recent takes."""

    author: NotRequired[str]
    moods: list[str]


class MessagesRecentResultItem(TypedDict):
    """An object."""

    body: str
    seen: Int64


class MessagesSendArgs(TypedDict):
    """What messages:send takes."""

    body: str
    seen: NotRequired[int | None]
    tags: NotRequired[dict[str, float] | None]


class Messages:
    """The functions of messages."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def recent(self, /, **args: Unpack[MessagesRecentArgs]) -> list[MessagesRecentResultItem]:
        """The newest messages of "everybody", or of one."""
        result: list[MessagesRecentResultItem] = self._caller.query("messages:recent", args)
        return result

    def send(self, /, **args: Unpack[MessagesSendArgs]) -> Id:
        result: Id = self._caller.mutation("messages:send", args)
        return result


class Api:
    """The public functions."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.admin = Admin(caller)
        self.messages = Messages(caller)

    def ping(self, /, **args: Any) -> Any:
        return self._caller.query("ping", args)


class MessagesInternal:
    """The functions of messages."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def sweep(self) -> Any:
        return self._caller.mutation("messages:sweep", {})


class Internal:
    """The internal functions."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.messages = MessagesInternal(caller)
