"""When the stand-ins are in place: while a deployment is open."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator, MutableMapping
from datetime import datetime
from itertools import chain
from types import BuiltinMethodType
from typing import Any, Final

from convex_nb.functions.determinism import audit, clock, randomness, refusal
from convex_nb.functions.determinism.builtin_types import set_attribute
from convex_nb.functions.determinism.clock import Replacement
from convex_nb.functions.determinism.stand_in import StandIn

_lock: Final = threading.RLock()
_users = 0
_undo: Final[list[tuple[Any, str, Any, Any]]] = []
"""Whose attribute was replaced, its name, the original, and the stand-in."""
_stand_ins: Final[dict[int, StandIn]] = {}
"""By the identity of the function that each stands for, which it keeps alive."""
_kinds: Final[set[type]] = {type, BuiltinMethodType}
"""The types of what they stand for, and of classes."""


def install() -> None:
    """Freeze clocks and seed randomness inside queries and mutations from now on; outside of them nothing changes."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _replace(chain(clock.replacements(), randomness.replacements(), refusal.replacements()))
            audit.install()
            if "numpy.random" in sys.modules:
                guard_numpy()
            else:
                # Numpy itself imports it only when somebody asks for it, which may be a handler.
                audit.when_imported("numpy.random", guard_numpy)
            adopt_names(vars(sys.modules["__main__"]))


def release() -> None:
    """Undo one `install`. The last one puts back what was there, except where somebody has replaced ours since."""
    global _users
    with _lock:
        _users -= 1
        if not _users:
            while _undo:
                owner, name, original, ours = _undo.pop()
                if vars(owner).get(name) is ours:
                    set_attribute(owner, name, original)
            _stand_ins.clear()


def guard_numpy() -> None:
    """Seed `numpy.random`, which is imported if it was not."""
    import numpy.random

    with _lock:
        if _users and not isinstance(numpy.random.rand, StandIn):
            _replace(randomness.replacements_of_numpy(numpy.random))


def adopt_names(namespace: MutableMapping[str, Any]) -> None:
    """Put stand-ins where user code holds the functions themselves, by `from time import time` before there were any.

    Attributes of the classes that it defines included. Costs O(names).
    """
    with _lock:
        if not _stand_ins:
            return
        module = namespace.get("__name__")
        # Most values are of other types, and `id` is among the calls that an audit hook makes slower.
        for name, value in [each for each in list(namespace.items()) if type(each[1]) in _kinds]:
            if not isinstance(value, type):
                stand_in = _stand_in_for(value)
                if stand_in is not None:
                    namespace[name] = stand_in
            elif value.__module__ == module:
                for attribute, each in _held(value):
                    setattr(value, attribute, each)


def _held(owner: type) -> Iterator[tuple[str, Any]]:
    for name, value in [each for each in list(vars(owner).items()) if type(each[1]) in _kinds]:
        stand_in = _stand_in_for(value)
        if stand_in is not None:
            yield name, stand_in


def _stand_in_for(value: object) -> Any:
    stand_in: Any = _stand_ins.get(id(value))
    if stand_in is None and type(value) is BuiltinMethodType and value.__name__ in ("now", "utcnow"):
        # `now = datetime.now`: bound to the class, it is a new object each time.
        owner = value.__self__
        if isinstance(owner, type) and issubclass(owner, datetime):
            stand_in = getattr(owner, value.__name__)
    return stand_in


def _replace(replacements: Iterable[Replacement]) -> None:
    for owner, name, ours in list(replacements):
        original = vars(owner)[name]
        try:
            set_attribute(owner, name, ours)
        except TypeError:
            # A Python without ctypes: `datetime.now` keeps telling the time.
            continue
        _undo.append((owner, name, original, ours))
        if isinstance(ours, StandIn):
            _stand_ins[id(ours.original)] = ours
            _kinds.add(type(original))
