"""Where a kernel hears what the browser says to a widget."""

from __future__ import annotations

from typing import Any


def hear_beside(widget: Any) -> None:
    """Let a widget be heard while a cell runs, where the front end asks for that.

    JupyterLab speaks to a thread beside the main one. ipykernel 7.4 sends what it says to where the widget last spoke
    instead, so that one which spoke while a cell ran would hear nothing before that cell has ended.
    """
    if getattr(widget.comm, "_reply_subshell_for", None) is not None:
        widget.comm._reply_subshell_for = None
