"""Arguments of a live view that may move: widgets, traits of any object, and `SKIP`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from traitlets import HasTraits

from convex_nb.language.describing import describe
from convex_nb.views.live_view import LiveView


class Skip:
    """The type of `SKIP`: an argument that is not there yet, so that the view waits and asks nothing."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "SKIP"

    def __bool__(self) -> bool:
        return False


SKIP: Final = Skip()


class Arguments:
    """Arguments by name, some of them bound to a trait."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._fixed = {name: value for name, value in given.items() if source_of(value) is None}
        self._bound = {name: source for name, value in given.items() if (source := source_of(value)) is not None}
        self._order = tuple(given)
        self._on_change: Callable[[], None] | None = None

    def current(self) -> dict[str, Any] | None:
        """Return the arguments as they are now, or None while one of them is `SKIP`."""
        values = {name: _now(self._bound[name]) if name in self._bound else self._fixed[name] for name in self._order}
        return None if any(value is SKIP for value in values.values()) else values

    def follow(self, on_change: Callable[[], None]) -> None:
        """Call `on_change` when a bound trait has a new value, on whichever thread set it."""
        self._on_change = on_change
        for owner, trait in self._bound.values():
            owner.observe(self._changed, names=trait)

    def close(self) -> None:
        """Follow the traits no longer."""
        if self._on_change is not None:
            self._on_change = None
            for owner, trait in self._bound.values():
                owner.unobserve(self._changed, names=trait)

    def _changed(self, _change: object) -> None:
        if self._on_change is not None:
            self._on_change()


def _now(source: tuple[HasTraits, str]) -> Any:
    owner, trait = source
    value = getattr(owner, trait)
    # Nothing is selected yet: there is nothing to ask for.
    return SKIP if value is None and trait == "selection" and isinstance(owner, LiveView) else value


def merged_arguments(name: str, args: Mapping[str, Any] | None, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments that are given as one dict, by name, or both. Raises `TypeError` for anything else."""
    if args is not None and not isinstance(args, Mapping):
        raise TypeError(f"`{name}` takes the function's arguments by name or as one dict, not {describe(args, 80)}.")
    return {**(args or {}), **kwargs}


def source_of(value: Any) -> tuple[HasTraits, str] | None:
    """Return the object and trait that an argument is bound to; None for a plain value."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], HasTraits) and isinstance(value[1], str):
        owner, trait = value
        if not owner.has_trait(trait):
            raise TypeError(f"{type(owner).__name__} has no trait {trait!r} to follow.")
        return owner, trait
    widgets = sys.modules.get("ipywidgets")  # a widget can only be given by somebody who has imported it
    if widgets is not None and isinstance(value, widgets.Widget):
        if not value.has_trait("value"):
            raise TypeError(f"{type(value).__name__} has no value to follow: name its trait, as in (widget, 'trait').")
        return value, "value"
    return None
