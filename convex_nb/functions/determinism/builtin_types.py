"""Attributes of the types that are written in C, which Python code cannot set.

`datetime.datetime` has to be changed itself. A class put in its place would not be the class of the instances that
exist, and `pickle`, `type(x) is datetime` and C code would all notice.
"""

from __future__ import annotations

import gc
from typing import Any


def set_attribute(owner: Any, name: str, value: Any) -> None:
    """Set an attribute of a module or class, that of a built-in class included.

    Raises `TypeError` where Python has no `ctypes` to tell the interpreter of the change.
    """
    try:
        setattr(owner, name, value)
    except TypeError:
        try:
            import ctypes

            tell = ctypes.pythonapi.PyType_Modified
        except (ImportError, AttributeError):
            raise TypeError(f"{owner!r} cannot be changed without ctypes") from None
        # What the read-only view of the type's attributes is a view of.
        (namespace,) = gc.get_referents(vars(owner))
        namespace[name] = value
        # The interpreter remembers where it found a method until it is told.
        tell(ctypes.py_object(owner))
