"""Components from stock, and what applications are often made of. Each is loaded when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convex_nb.stock.action_cache import ActionCache as ActionCache
    from convex_nb.stock.action_retrier import ActionRetrier as ActionRetrier
    from convex_nb.stock.agents.agent import Agent as Agent
    from convex_nb.stock.agents.threads import Threads as Threads
    from convex_nb.stock.agents.tools import Tool as Tool, tool as tool
    from convex_nb.stock.aggregate import Aggregate as Aggregate
    from convex_nb.stock.custom_functions import custom as custom
    from convex_nb.stock.migrations import Migrations as Migrations
    from convex_nb.stock.presence import Presence as Presence
    from convex_nb.stock.rag import Rag as Rag
    from convex_nb.stock.rate_limiter import (
        HOUR as HOUR,
        MINUTE as MINUTE,
        SECOND as SECOND,
        RateLimiter as RateLimiter,
        is_rate_limit_error as is_rate_limit_error,
    )
    from convex_nb.stock.sharded_counter import ShardedCounter as ShardedCounter
    from convex_nb.stock.step import Step as Step
    from convex_nb.stock.trials.playground import playground as playground
    from convex_nb.stock.triggers import Change as Change, Triggers as Triggers
    from convex_nb.stock.workflows import Workflows as Workflows
    from convex_nb.stock.workpool import Workpool as Workpool

_NAMES_OF_MODULES = {
    "action_cache": ("ActionCache",),
    "action_retrier": ("ActionRetrier",),
    "agents.agent": ("Agent",),
    "agents.threads": ("Threads",),
    "agents.tools": ("Tool", "tool"),
    "aggregate": ("Aggregate",),
    "custom_functions": ("custom",),
    "migrations": ("Migrations",),
    "presence": ("Presence",),
    "rag": ("Rag",),
    "rate_limiter": ("HOUR", "MINUTE", "SECOND", "RateLimiter", "is_rate_limit_error"),
    "sharded_counter": ("ShardedCounter",),
    "step": ("Step",),
    "trials.playground": ("playground",),
    "triggers": ("Change", "Triggers"),
    "workflows": ("Workflows",),
    "workpool": ("Workpool",),
}
_MODULE_OF = {name: module for module, names in _NAMES_OF_MODULES.items() for name in names}

__all__ = list(_MODULE_OF)


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
