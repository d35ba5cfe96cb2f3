"""A live view of the log."""

from __future__ import annotations

from convex_nb.views.fed_view import FedView


class LogView(FedView):
    """What `%convex logs` shows: the newest calls, newest first."""

    shown_as = "logs"
