"""Names of tables and functions with the component that they belong to: `likes//counters`, `likes/inner//lib:add`.

What stands before the `//` is the path of an installed component, nothing for the application. No table and no
function can be given a name with `//` in it, so that users cannot name what is another's.
"""

from __future__ import annotations

import re
from typing import Final

from convex_nb.language.describing import describe
from convex_nb.language.errors import ComponentError

SEPARATOR: Final = "//"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def qualified(component: str, name: str) -> str:
    """The name by which everybody knows what the component at this path calls `name`."""
    return f"{component}{SEPARATOR}{name}" if component else name


def component_of(name: str) -> str:
    """The path of the component that a qualified name belongs to; `""` for the application."""
    return name.rpartition(SEPARATOR)[0]


def local_name(name: str) -> str:
    """What its own component calls it."""
    return name.rpartition(SEPARATOR)[2]


def child_path(component: str, name: str) -> str:
    """The path of the component that is installed as `name` in the component at `component`."""
    return f"{component}/{name}" if component else name


def is_component_name(name: str) -> bool:
    """Whether a component can be called so."""
    return _NAME.fullmatch(name) is not None


def check_component_name(name: object) -> str:
    """Return what a component can be called, or raise `ComponentError`."""
    if not isinstance(name, str) or not is_component_name(name):
        raise ComponentError(
            f"{describe(name, 80)} cannot be the name of a component: write at most 64 ASCII letters, digits and "
            "underscores, a letter first. Nothing was defined.",
            component=str(name),
        )
    return name
