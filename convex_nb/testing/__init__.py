"""The public test kit. Its parts are loaded when they are first used, since some of them need more than the core."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = frozenset({"strategies"})


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])
