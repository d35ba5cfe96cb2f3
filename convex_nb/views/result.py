"""The traits that say what a view's query has answered."""

from __future__ import annotations

from typing import Any

import traitlets

from convex_nb.language.values import copy_value


class Answered(traitlets.Any):
    """A trait that is never behind what its reader has written: a view that is stale catches up when it is read.

    What is set is not compared: `==` of 100,000 documents is slow, and wrong (`1 == True`).
    """

    def set(self, obj: Any, value: Any) -> None:
        old = obj._trait_values.get(self.name)
        obj._trait_values[self.name] = value
        if self._differs(old, value) and {self.name, traitlets.All} & obj._trait_notifiers.keys():
            obj._notify_trait(self.name, copy_value(old), copy_value(value))

    def _differs(self, old: Any, value: Any) -> bool:
        return bool(old != value)

    def get(self, obj: Any, cls: Any = None) -> Any:
        obj.freshen()
        return super().get(obj, cls)


class Result(Answered):
    """The result itself."""

    def _differs(self, old: Any, value: Any) -> bool:
        return value is not old

    def get(self, obj: Any, cls: Any = None) -> Any:
        # The result is shared with the cache and other views: everybody else gets containers of their own.
        return copy_value(super().get(obj, cls))
