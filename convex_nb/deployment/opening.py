"""Opening a deployment."""

from __future__ import annotations

import threading
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Literal

from convex_nb.deployment.data.place import Durability, open_place
from convex_nb.deployment.deployment import Deployment
from convex_nb.deployment.foundation import Mode
from convex_nb.functions.host import get_host, set_host
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.limits import Limits

if TYPE_CHECKING:
    from convex_nb.engine.database import Clock

_opening = threading.Lock()


def open(  # the name that the page of the API gives it
    path: str | PathLike[str] | None = None,
    *,
    durability: Durability = "full",
    read_only: bool = False,
    limits: Literal["notebook", "convex"] | Limits = "notebook",
    retention: timedelta | None = None,
    mode: Mode = "dev",
    clock: Clock | None = None,
) -> Deployment:
    """Open a deployment, in memory or in a durable file, created if absent; the first one is the current one.

    With `durability="full"` a commit returns when it is on the disk; with `"relaxed"` sooner, and a power cut may take
    the last ones. One process at a time writes a file (`DeploymentLockedError`); `read_only=True` looks at it as it is
    now, beside that one. Raises `StorageCorruptError` for a damaged file. `limits` are wide ones for work with data, or
    the reference's. `retention` is how far back `dep.at` can see: a file keeps what it was told last, ten minutes to
    begin with. With `mode="prod"` clients (`dep.client()`) are not told what went wrong inside a function, except for
    the data of a `ConvexError`. `clock` gives the time: see `convex_nb.testing.VirtualClock`.
    """
    if mode not in ("dev", "prod"):
        raise InvalidValueError(f'mode is "dev" or "prod", not {mode!r}.', value=mode)
    if isinstance(limits, str):
        if limits not in ("notebook", "convex"):
            raise InvalidValueError(f'limits is "notebook" or "convex", not {limits!r}.', value=limits)
        limits = Limits.notebook() if limits == "notebook" else Limits.convex()
    deployment = Deployment(
        open_place(path, durability=durability, read_only=read_only, limits=limits, retention=retention, clock=clock),
        mode,
    )
    with _opening:
        if get_host() is None:
            set_host(deployment)
    return deployment
