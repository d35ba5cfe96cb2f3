"""A query as a user sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from convex_nb.language.values import copy_value

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment


class SeenAs:
    """Follows a public query for an identity; views take what is new when they refresh."""

    duration_ms = 0.0
    tables: Iterable[str] = ()
    reads_clock = False

    def __init__(
        self,
        deployment: Deployment,
        claims: Mapping[str, Any],
        path: str,
        arguments: Mapping[str, Any],
        on_stale: Callable[[], object],
    ) -> None:
        self._deployment = deployment
        self._on_stale = on_stale
        self.value: Any = None
        self.error: Exception | None = None
        self.timestamp = deployment.timestamp
        self.stale = False
        self._client = deployment.client(claims)
        self._client.subscribe(path, arguments, self._changed, self._failed)
        self.stale = False

    def _changed(self, value: Any) -> None:
        self._moved(copy_value(value), None)

    def _failed(self, error: Exception) -> None:
        self._moved(self.value, error)

    def _moved(self, value: Any, error: Exception | None) -> None:
        self.value, self.error, self.timestamp = value, error, self._deployment.timestamp
        self.stale = True
        self._on_stale()

    def refresh(self) -> bool:
        """Tell whether there is something new since the last time."""
        stale, self.stale = self.stale, False
        return stale

    def expire(self) -> None:
        """Time alone changes nothing."""

    def close(self) -> None:
        """Follow no longer."""
        self._client.close()
