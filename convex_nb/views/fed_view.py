"""A live view of something that is no query."""

from __future__ import annotations

from collections.abc import Container

from convex_nb.views.live_view import LiveView


class FedView(LiveView):
    """A view of a feed or of a query. A feed takes over what is new when its `refresh()` is called, and says whether it
    did."""

    def is_among(self, moved: Container[int]) -> bool:
        """Tell whether there is something new since the last refresh."""
        refresh = getattr(self.query, "refresh", None)
        return super().is_among(moved) if refresh is None else bool(refresh())
