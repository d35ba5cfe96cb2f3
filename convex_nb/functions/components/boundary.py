"""What goes from one component into another, or comes out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convex_nb.language.errors import ComponentError
from convex_nb.language.values import Id

if TYPE_CHECKING:
    from convex_nb.functions.registry import Entry


def crossing(entry: Entry, caller: str, value: Any) -> Any:
    """The value that a function and the component at `caller` exchange, as either of them gets it."""
    return value if entry.component == caller else without_ids(value)


def without_ids(value: Any) -> Any:
    """A copy of a value in which ids are plain strings: outside of its component an id is an id of nothing.

    Costs O(values).
    """
    if isinstance(value, dict):
        return {key: without_ids(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_ids(each) for each in value]
    return str(value) if isinstance(value, Id) else value


def not_inside(component: str, attribute: str, example: str) -> ComponentError:
    """The error of what contexts offer the application only."""
    return ComponentError(
        f'There is no `ctx.{attribute}` inside of a component, and "{component}" is one. Let the caller pass what it '
        f"needs as an argument: {example}.",
        component=component,
    )
