"""Which pages there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from convex_nb.views.dashboard.data import Data
from convex_nb.views.dashboard.files import Files
from convex_nb.views.dashboard.functions import Functions
from convex_nb.views.dashboard.health import Health
from convex_nb.views.dashboard.history import History
from convex_nb.views.dashboard.logs import Logs
from convex_nb.views.dashboard.page import Host, Page
from convex_nb.views.dashboard.schedules import Schedules
from convex_nb.views.dashboard.settings import Settings

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment

_PAGES: Final = (Health, Data, Functions, Files, Schedules, Logs, History, Settings)
PAGES: Final[dict[str, type[Page]]] = {each.name: each for each in _PAGES}


def open_page(name: str, deployment: Deployment, host: Host, memory: dict[str, Any]) -> Page:
    """Open a page; `memory` is what it keeps from one opening to the next."""
    return PAGES[name](deployment, host, memory)
