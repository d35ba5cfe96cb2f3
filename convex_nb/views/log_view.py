"""A live view of the log."""

from __future__ import annotations

from collections.abc import Container

from convex_nb.views.live_view import LiveView


class LogView(LiveView):
    """What `%convex logs` shows: the newest calls, newest first."""

    shown_as = "logs"

    def is_among(self, moved: Container[int]) -> bool:  # noqa: ARG002 (the log is no query)
        """Tell whether a function has run since the last refresh."""
        refresh = getattr(self.query, "refresh", None)
        return refresh is not None and bool(refresh())
