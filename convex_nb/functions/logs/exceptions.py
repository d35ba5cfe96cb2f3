"""Who is told of each exception that ends a function."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from convex_nb.functions.execution import Execution

Tags: TypeAlias = dict[str, str]
"""`func`, `func_type`, `func_runtime`, `request_id`, `server_name`, `environment`, and `user` if there is one."""
Reporter: TypeAlias = Callable[[Exception, Tags], object]

log: Final = logging.getLogger("convex_nb")


class Exceptions:
    """The reporters of a deployment. Safe for threads."""

    def __init__(self) -> None:
        self.any = False
        """Whether there is one: asked at every failure."""
        self._reporters: tuple[Reporter, ...] = ()

    def add(self, reporter: Reporter) -> Callable[[], None]:
        """Tell `reporter(error, tags)` of what functions raise from now on; what this returns ends it."""
        self._reporters = (*self._reporters, reporter)
        self.any = True

        def remove() -> None:
            self._reporters = tuple([each for each in self._reporters if each is not reporter])
            self.any = bool(self._reporters)

        return remove

    def report(self, error: BaseException, execution: Execution, request_id: str, deployment: dict[str, str]) -> None:
        """Tell them. What a reporter itself raises is logged: the caller of the function gets the function's error."""
        if not isinstance(error, Exception):
            return
        tags = {
            "func": execution.path,
            "func_type": execution.kind,
            "func_runtime": "default",
            "request_id": request_id,
            "server_name": deployment.get("deployment_name", ""),
            "environment": deployment.get("deployment_type", ""),
        }
        identity = execution.origin.identity
        if identity is not None:
            tags["user"] = str(identity.claims["tokenIdentifier"])
        for reporter in self._reporters:
            try:
                reporter(error, dict(tags))
            except Exception:
                log.exception("convex_nb: who is told of exceptions raised one itself")
