"""Where a component from stock is installed."""

from __future__ import annotations

from typing import Any

from convex_nb import ComponentError


def place(component: Any, owner: str, usual: Any) -> Any:
    """Return the reference that says it, such as `components.limits`. Raises `ComponentError` for anything else."""
    if type(component) is type(usual) and repr(component).startswith("components."):
        return component
    raise ComponentError(
        f"`{owner}` takes first where it is installed, such as `{usual!r}`, not {type(component).__name__}: it was not "
        f"made. `dep.use({owner}.definition)` installs it there, and `dep.use(..., name=...)` elsewhere."
    )
