"""Which HTTP action answers which path."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args, overload

from convex_nb.functions.http.http_action import HttpAction
from convex_nb.functions.references import Reference, child_of
from convex_nb.language.describing import describe
from convex_nb.language.errors import SchemaDefinitionError

Handler: TypeAlias = Callable[..., Any]
Method: TypeAlias = Literal["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
METHODS: Final[tuple[str, ...]] = get_args(Method)
RESERVED: Final = "/.files/"


class Route(NamedTuple):
    """One of a router's routes. A path that ends with `*` stands for all that begin as it does."""

    path: str
    method: str
    action: HttpAction


class Mount(NamedTuple):
    """A prefix below which a component answers, by its name where the router is."""

    prefix: str
    component: str


class HttpRouter:
    """HTTP actions by path and method: an exact path goes before a prefix, a longer prefix before a shorter one.

    A request with `HEAD` goes where one with `GET` would. A cell that is run again replaces its routes. Safe for
    threads.
    """

    def __init__(self) -> None:
        self._exact: dict[str, dict[str, HttpAction]] = {}
        self._prefixes: dict[str, dict[str, HttpAction]] = {}
        self._mounts: dict[str, str] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        lines = [f"{method} {path}  {action.__name__}" for path, method, action in self.routes]
        return "\n".join([*lines, *[f"{prefix}*  component {name}" for prefix, name in self.mounts]]) or "no routes"

    @property
    def routes(self) -> list[Route]:
        """All routes, by path."""
        with self._lock:
            exact = [(path, methods) for path, methods in self._exact.items()]
            prefixes = [(f"{prefix}*", methods) for prefix, methods in self._prefixes.items()]
        return [
            Route(path, method, action)
            for path, methods in sorted(exact + prefixes, key=lambda each: each[0])
            for method, action in sorted(methods.items())
        ]

    @overload
    def route(
        self, path: str | None = None, *, prefix: str | None = None, method: str = "GET", handler: None = None
    ) -> Callable[[HttpAction | Handler], HttpAction]: ...
    @overload
    def route(
        self,
        path: str | None = None,
        *,
        prefix: str | None = None,
        method: str = "GET",
        handler: HttpAction | Handler,
    ) -> HttpAction: ...
    def route(
        self,
        path: str | None = None,
        *,
        prefix: str | None = None,
        method: str = "GET",
        handler: HttpAction | Handler | None = None,
    ) -> Any:
        """Let an HTTP action answer a path, or all paths below a prefix: `@http.route("/hook", method="POST")`.

        With `handler=` it is not a decorator. A plain `def` is made an HTTP action. Raises `SchemaDefinitionError` for
        a path that is none, or that is taken.
        """
        place, key = self._place(path, prefix)
        name = method.upper() if isinstance(method, str) else method
        if name == "HEAD":
            raise SchemaDefinitionError("A route has no method HEAD: such requests go where those with GET do.")
        if name not in METHODS:
            raise SchemaDefinitionError(
                f"The method of a route is one of {', '.join(METHODS)}, not {describe(method, 80)}."
            )

        def add(given: HttpAction | Handler) -> HttpAction:
            action = given if isinstance(given, HttpAction) else HttpAction(given)
            with self._lock:
                methods = place.setdefault(key, {})
                taken = methods.get(name)
                if taken is not None and taken is not action and not action.is_again(taken):
                    raise SchemaDefinitionError(
                        f"{name} {key}{'*' if prefix else ''} is answered by `{taken.__name__}` already: give "
                        f"`{action.__name__}` another path, or make a new `http_router()`."
                    )
                methods[name] = action
            return action

        return add if handler is None else add(handler)

    @property
    def mounts(self) -> list[Mount]:
        """The components that answer below a prefix, by that."""
        with self._lock:
            return [Mount(*each) for each in sorted(self._mounts.items())]

    def mount(self, prefix: str, component: Reference) -> None:
        """Let the routes of a component answer all paths below a prefix: `http.mount("/likes/", components.likes)`.

        They are those of its definition, `likes.http`, without the prefix. Raises `SchemaDefinitionError` for a prefix
        that is none, or that another component has.
        """
        name = child_of(component)
        if name is None:
            raise SchemaDefinitionError(
                f"mount() takes a component as it is installed, `components.likes`, not {describe(component, 80)}."
            )
        self._place(None, prefix)
        with self._lock:
            if self._mounts.setdefault(prefix, name) != name:
                raise SchemaDefinitionError(
                    f'The component "{self._mounts[prefix]}" answers below {prefix} already: give "{name}" another '
                    "prefix, or make a new `http_router()`."
                )

    def mounted(self, path: str) -> Mount | None:
        """The component that answers below the longest prefix of a path, or `None`. Costs O(mounts)."""
        fitting = [each for each in self.mounts if path.startswith(each.prefix)]
        return max(fitting, key=lambda each: len(each.prefix), default=None)

    def _place(self, path: str | None, prefix: str | None) -> tuple[dict[str, dict[str, HttpAction]], str]:
        given = path if prefix is None else prefix
        if (path is None) == (prefix is None):
            raise SchemaDefinitionError("A route has a path, or `prefix=`, and not both.")
        if not isinstance(given, str) or not given.startswith("/"):
            raise SchemaDefinitionError(f'The path of a route begins with /, such as "/hook": {describe(given, 80)}.')
        if given.startswith(RESERVED):
            raise SchemaDefinitionError(f"Paths below {RESERVED} are kept for the system: {describe(given, 80)}.")
        if prefix is None:
            return self._exact, given
        if not prefix.endswith("/"):
            raise SchemaDefinitionError(f"The prefix of a route ends with /: {describe(prefix, 80)}.")
        return self._prefixes, given

    def lookup(self, path: str, method: str) -> Route | None:
        """The route for a request, or `None`. Costs O(prefixes)."""
        name = "GET" if method == "HEAD" else method
        with self._lock:
            action = self._exact.get(path, {}).get(name)
            if action is not None:
                return Route(path, name, action)
            fitting = [
                prefix for prefix, methods in self._prefixes.items() if path.startswith(prefix) and name in methods
            ]
            if not fitting:
                return None
            prefix = max(fitting, key=len)
            return Route(f"{prefix}*", name, self._prefixes[prefix][name])


def http_router() -> HttpRouter:
    """A router without routes."""
    return HttpRouter()
