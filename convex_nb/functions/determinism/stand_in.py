"""Stand-ins for functions of the standard library, which look whether the code that calls them is a handler's."""

from __future__ import annotations

from functools import update_wrapper
from typing import TYPE_CHECKING, Any

from convex_nb.functions.execution import running

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.functions.execution import Execution


def deterministic() -> Execution | None:
    """The query or mutation that the running code belongs to; `None` in actions, cells and other threads."""
    execution = running.get()
    return None if execution is None or execution.transaction is None else execution


class StandIn:
    """Does `inside(execution, ...)` in a query or mutation, and what the original does anywhere else.

    An object and not a function: like the built-in functions that it stands for it is not bound where it is an
    attribute of a class. It is pickled by name, as they are.
    """

    def __init__(self, module: str, name: str, original: Callable[..., Any], inside: Callable[..., Any]) -> None:
        update_wrapper(self, original)
        self.__module__ = module
        self.__name__ = self.__qualname__ = name
        self.original = original
        self.inside = inside

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        execution = running.get()
        if execution is None or execution.transaction is None:
            return self.original(*args, **kwargs)
        return self.inside(execution, *args, **kwargs)

    def __reduce__(self) -> str:
        return self.__qualname__

    def __repr__(self) -> str:
        return repr(self.original)


class ClockStandIn(StandIn):
    """A stand-in for a clock: a function without parameters, called often enough to be worth the difference."""

    def __call__(self) -> Any:
        execution = running.get()
        if execution is None or execution.transaction is None:
            return self.original()
        return self.inside(execution)
