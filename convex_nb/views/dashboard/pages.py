"""Which pages there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from convex_nb.views.dashboard.data import Data
from convex_nb.views.dashboard.functions import Functions
from convex_nb.views.dashboard.health import Health
from convex_nb.views.dashboard.logs import Logs
from convex_nb.views.dashboard.page import Host, Page

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment

PAGES: Final[dict[str, type[Page]]] = {each.name: each for each in (Health, Data, Functions, Logs)}


def open_page(name: str, deployment: Deployment, host: Host, memory: dict[str, Any]) -> Page:
    """Open a page; `memory` is what it keeps from one opening to the next."""
    return PAGES[name](deployment, host, memory)
