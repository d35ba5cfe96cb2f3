"""`%load_ext convex_nb`: everything it adds to IPython, and how it is taken away again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from IPython.display import display

from convex_nb._version import __version__
from convex_nb.deployment.current import current
from convex_nb.deployment.opening import open as open_deployment
from convex_nb.language.describing import counted
from convex_nb.language.errors import DeploymentClosedError
from convex_nb.notebook import tracebacks
from convex_nb.notebook.calls import ends_in_mutation
from convex_nb.notebook.completion import add_matcher
from convex_nb.notebook.magics import ConvexMagics
from convex_nb.notebook.session import close_session, get_session
from convex_nb.views.card import Card
from convex_nb.views.form_view import FormView
from convex_nb.views.live_view import LiveView

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from convex_nb.deployment.deployment import Deployment

_loaded: dict[int, ExitStack] = {}
"""What undoes the loading into a shell, by the shell's id."""


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Add magics, live views and error display to a shell; a second time does nothing."""
    if id(shell) in _loaded:
        return
    with ExitStack() as undo:
        undo.callback(close_session)
        undo.callback(_add_magics(shell))
        undo.callback(_add_events(shell))
        undo.callback(_add_formatter(shell))
        undo.callback(add_matcher(shell))
        undo.callback(tracebacks.install(shell))
        _loaded[id(shell)] = undo.pop_all()
    deployment = _current() or open_deployment()
    tables = counted(len(deployment.tables), "table")
    said = f"convex_nb {__version__}: in-memory deployment ({tables}). %convex help says what there is."
    display(Card([[("plain", said)]]))


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take everything away again but the deployment: the documents are the user's."""
    undo = _loaded.pop(id(shell), None)
    if undo is not None:
        undo.close()


def _current() -> Deployment | None:
    try:
        return current()
    except DeploymentClosedError:
        return None


def _add_magics(shell: InteractiveShell) -> Callable[[], None]:
    manager: Any = shell.magics_manager
    configurables: list[Any] = shell.configurables
    magics = ConvexMagics(shell)  # which puts itself among the configurables, for %config
    shell.register_magics(magics)

    def remove() -> None:
        for kind, names in magics.magics.items():
            for name in names:
                manager.magics[kind].pop(name, None)
        manager.registry.pop(type(magics).__name__, None)
        configurables.remove(magics)

    return remove


def _add_events(shell: InteractiveShell) -> Callable[[], None]:
    def begin(info: Any) -> None:
        session = get_session()
        deployment = _current()
        if deployment is not None:
            session.calls.listen(deployment)
        session.begin_cell(info.cell_id or info.raw_cell, _deleted_cells(shell))

    def end(result: Any) -> None:
        session = get_session()
        deployment = _current()
        try:
            if result.success and deployment is not None and ends_in_mutation(shell, result.info.raw_cell):
                card = session.calls.card(deployment)
                if card is not None:
                    display(card)
        finally:
            session.end_cell()

    shell.events.register("pre_run_cell", begin)
    shell.events.register("post_run_cell", end)

    def remove() -> None:
        shell.events.unregister("pre_run_cell", begin)
        shell.events.unregister("post_run_cell", end)

    return remove


def _deleted_cells(shell: InteractiveShell) -> list[str]:
    """Return the ids of the cells that the front end says were deleted."""
    parent: dict[str, Any] = getattr(shell, "get_parent", dict)()
    deleted: list[str] = parent.get("metadata", {}).get("deletedCells") or []
    return deleted


def _add_formatter(shell: InteractiveShell) -> Callable[[], None]:
    assert shell.display_formatter is not None
    formatter: Any = shell.display_formatter.ipython_display_formatter
    formatter.for_type(LiveView, lambda view: get_session().twins.show(view))
    formatter.for_type(FormView, lambda form: get_session().twins.show_form(form))

    def remove() -> None:
        formatter.pop(LiveView, None)
        formatter.pop(FormView, None)

    return remove
