"""The notebook's deployment: the one that magics, and functions called by name, run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from convex_nb.functions.host import get_host, set_host
from convex_nb.language.errors import DeploymentClosedError

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment


def current() -> Deployment:
    """Return the current deployment: the first that was opened, unless another was chosen since.

    Raises `DeploymentClosedError` where there is none.
    """
    host = get_host()
    if host is None:
        raise DeploymentClosedError(
            "There is no current deployment: none has been opened, or it was closed. Run `%load_ext convex_nb` in a "
            "notebook, or `convex_nb.open()`."
        )
    return cast("Deployment", host)


def set_current(deployment: Deployment | None) -> None:
    """Make `deployment` the current one; `None` for none."""
    set_host(deployment)
