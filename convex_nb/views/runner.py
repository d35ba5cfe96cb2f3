"""The form below the cell that defines its function."""

from __future__ import annotations

from typing import ClassVar

from convex_nb.views.form_view import FormView
from convex_nb.views.sheet import Sheet


class Runner(FormView):
    """A form that is one line until its reader opens it, and nothing on paper: the cell says there what it defines."""

    shown_as: ClassVar[str] = "runner"
    is_closed: ClassVar[bool] = True

    def sheet(self) -> Sheet:
        """Return nothing."""
        return Sheet([], [])
