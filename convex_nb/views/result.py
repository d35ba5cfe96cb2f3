"""The trait that holds a view's result."""

from __future__ import annotations

from typing import Any

import traitlets

from convex_nb.language.values import copy_value


class Result(traitlets.Any):
    """A trait that never compares what it is set to: `==` of 100,000 documents is slow, and wrong (`1 == True`)."""

    def set(self, obj: Any, value: Any) -> None:
        old = obj._trait_values.get(self.name)
        obj._trait_values[self.name] = value
        if value is not old and {self.name, traitlets.All} & obj._trait_notifiers.keys():
            obj._notify_trait(self.name, copy_value(old), copy_value(value))

    def get(self, obj: Any, cls: Any = None) -> Any:
        # The result is shared with the cache and other views: everybody else gets containers of their own.
        return copy_value(super().get(obj, cls))
