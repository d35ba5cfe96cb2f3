"""What a query or mutation may not do, and how it is told."""

from __future__ import annotations

import _thread
import builtins
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, NoReturn

from convex_nb.functions.determinism.clock import Replacement
from convex_nb.functions.determinism.stand_in import StandIn, deterministic
from convex_nb.language.errors import DeterminismError

if TYPE_CHECKING:
    from convex_nb.functions.execution import Execution

_RUNNER: Final = "convex_nb.functions.runner"
_EXCUSED: Final = (
    # An import runs a module once, whoever comes first.
    *("importlib.", "zipimport.", "encodings."),
    # Messages quote source lines.
    *("linecache.", "traceback.", "warnings.", "IPython.core.ultratb."),
    # Tables that Python looks up once: time zones, types of files, the name of the machine.
    *("zoneinfo.", "mimetypes.", "platform."),
    # Somebody looks at the running handler. (Not all of IPython: the notebook's `open` is a function of its own.)
    *("bdb.", "pdb.", "IPython.core.debugger.", "debugpy.", "pydevd", "_pydevd"),
    # Output, where it does not become a log line.
    "ipykernel.iostream.",
    # What the context offers.
    f"{__name__.partition('.')[0]}.services.",
)


def is_excused() -> bool:
    """Tell whether an import, a message or a debugger does this, and not the handler itself. Costs O(frames)."""
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__") or ""
        if name == _RUNNER:
            return False
        if f"{name}.".startswith(_EXCUSED):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def refuse(execution: Execution, operation: str, advice: str) -> NoReturn:
    """Raise the error of an operation that only actions may do."""
    nothing = "Nothing was written. " if execution.kind == "mutation" else ""
    raise DeterminismError(
        f'{operation} was refused in the {execution.kind} "{execution.path}": it may run again at any time, and has to '
        f"depend on the database and its arguments alone. {nothing}{advice}",
        operation=operation,
    )


ACTIONS: Final = "Do this in an action, or in a cell, and give a mutation what comes of it."


def replacements() -> Iterator[Replacement]:
    """What refuses to wait, to ask and to start threads, none of which an audit hook hears of everywhere."""
    waits = "Wait in an action or in a cell."
    yield time, "sleep", _refusing("time", "sleep", time.sleep, "time.sleep", waits)
    asks = "Ask in a cell, or with a widget, and pass the answer as an argument."
    yield builtins, "input", _refusing("builtins", "input", builtins.input, "input", asks)
    kernel = sys.modules.get("ipykernel.kernelbase")
    if kernel is not None:
        # Jupyter sets `input` anew for each cell, to this.
        for name, operation in (("raw_input", "input"), ("getpass", "getpass.getpass")):
            yield kernel.Kernel, name, _refusing_method(getattr(kernel.Kernel, name), operation, asks)
    yield threading.Thread, "start", _refusing_method(threading.Thread.start, "threading.Thread.start", ACTIONS)
    for name in ("start_new_thread", "start_new"):
        function = getattr(_thread, name, None)
        if function is not None:
            yield _thread, name, _refusing("_thread", name, function, "_thread.start_new_thread", ACTIONS)


def _refusing(module: str, name: str, original: Callable[..., Any], operation: str, advice: str) -> StandIn:
    def inside(execution: Execution, *args: Any, **kwargs: Any) -> Any:
        if is_excused():
            return original(*args, **kwargs)
        refuse(execution, f"`{operation}`", advice)

    return StandIn(module, name, original, inside)


def _refusing_method(original: Callable[..., Any], operation: str, advice: str) -> Callable[..., Any]:
    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        execution = deterministic()
        if execution is None or is_excused():
            return original(*args, **kwargs)
        refuse(execution, f"`{operation}`", advice)

    return method
