"""What a function runs on when it is called by its bare name: the current deployment, which a later layer sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from convex_nb.functions.components.component import Component
    from convex_nb.functions.definition import Function
    from convex_nb.functions.registry import Target


class HasFunctions(Protocol):
    """An installed component, as far as references know it."""

    @property
    def functions(self) -> Mapping[str, Function]:
        """What it offers and what it keeps to itself, by path."""
        ...


class Host(Protocol):
    """A deployment, as far as functions know it."""

    @property
    def functions(self) -> Mapping[str, Function]:
        """What is registered, by path."""
        ...

    @property
    def components(self) -> Mapping[str, HasFunctions]:
        """What is installed, by path."""
        ...

    def adopt(self, function: Function, /) -> object:
        """Register a function that was defined while this deployment is the current one."""
        ...

    def refresh_component(self, component: Component, /) -> object:
        """Take over what has been defined of a component that is installed."""
        ...

    def path_of(self, function: Target, /) -> str:
        """The whole path of a function."""
        ...

    def run(self, function: Function, args: Mapping[str, Any] | None, /) -> Any:
        """Run a function of any kind."""
        ...


_current: Host | None = None


def get_host() -> Host | None:
    """Return what functions run on now."""
    return _current


def set_host(host: Host | None) -> None:
    """Let functions that are called by name run on `host`."""
    global _current
    _current = host
