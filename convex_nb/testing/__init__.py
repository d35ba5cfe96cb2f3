"""The public test kit. `strategies` is loaded when it is first used, since it needs Hypothesis."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from convex_nb.testing.clock import VirtualClock
from convex_nb.testing.convex_test import ConvexTest

__all__ = ["ConvexTest", "VirtualClock", "strategies"]


def __getattr__(name: str) -> Any:
    if name == "strategies":
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
