"""Errors as the notebook shows them: the user's own lines and the sentence that helps, no frames of this package."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import IPython
from IPython.core.error import UsageError

from convex_nb.notebook.offered import advice
from convex_nb.views.problem import user_traceback

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_IPYTHON: Final = str(Path(IPython.__file__).parent)
_NOT_FOUND: Final = re.compile(r"(Cell|Line) magic (?:function )?`(%+)(\w+)` not found\.$")
_MAGICS: Final = ("run_cell_magic", "run_line_magic")


def install(shell: InteractiveShell) -> Callable[[], None]:
    """Show errors that passed through this package without its frames; return what undoes it.

    Every other error goes to whoever handled it before.
    """
    former_types, former_handler = shell.custom_exceptions, shell.CustomTB

    def handle(
        shell: InteractiveShell,
        error_type: type[BaseException],
        error: BaseException,
        traceback: TracebackType | None,
        tb_offset: int | None = None,
    ) -> Any:
        said = advice(error)
        if said and said not in getattr(error, "__notes__", ()):
            error.add_note(said)
        if isinstance(error, UsageError) and (hint := _nearest_magic(shell, str(error))):
            # IPython shows no notes of one of these.
            error.args = (f"{error}{hint}",)
        if not isinstance(error, UsageError) and passed_through_us(traceback):
            show(shell, error_type, error, traceback)
        elif isinstance(error, former_types):
            return former_handler(error_type, error, traceback, tb_offset)
        else:
            shell.showtraceback((error_type, error, traceback), tb_offset=tb_offset, running_compiled_code=True)
        return None

    shell.set_custom_exc((Exception,), handle)
    ours = shell.CustomTB

    def restore() -> None:
        if shell.CustomTB is ours:
            shell.CustomTB, shell.custom_exceptions = former_handler, former_types

    return restore


def _nearest_magic(shell: InteractiveShell, message: str) -> str:
    """Return which magic of ours may be meant, where IPython says that it does not find one."""
    missing = _NOT_FOUND.match(message)
    if missing is None:
        return ""
    kind, mark, name = missing.groups()
    magics: Any = shell.magics_manager
    ours = [each for each in magics.magics[kind.lower()] if each.startswith("convex")]
    near = get_close_matches(name, ours, n=1, cutoff=0.8)
    return f" Did you mean `{mark}{near[0]}`?" if near else ""


def passed_through_us(traceback: TracebackType | None) -> bool:
    """Tell whether one of the frames is this package's."""
    return len(_frames(traceback)) > len(_frames(user_traceback(traceback)))


def show(
    shell: InteractiveShell, error_type: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Show an error with the user's own frames; `%debug` and `%tb` see the same ones."""
    if isinstance(error, SyntaxError):
        # Raised while a cell was compiled: the place is in the error, and there is no stack of the user's.
        no_frames: Any = []
        shell._showtraceback(error_type, error, shell.SyntaxTB.structured_traceback(error_type, error, no_frames))
        return
    own = without_machinery(traceback)
    error.__traceback__ = own
    if own is None:
        shell._showtraceback(error_type, error, shell.InteractiveTB.get_exception_only(error_type, error))
    else:
        shell.showtraceback((error_type, error, own), tb_offset=0)


def without_machinery(traceback: TracebackType | None) -> TracebackType | None:
    """Return a traceback without this package's frames, IPython's, and the cell's when it only called a magic."""
    frames = _frames(traceback)
    theirs = {id(frame.tb_frame) for frame in _frames(user_traceback(traceback))}
    result = None
    calls_a_magic = False
    for frame in reversed(frames):
        code = frame.tb_frame.f_code
        is_ipython = code.co_filename.startswith(_IPYTHON)
        if id(frame.tb_frame) in theirs and not (is_ipython or calls_a_magic):
            result = TracebackType(result, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
        # Not every call of IPython's is one: a notebook's `open` is IPython's too.
        calls_a_magic = is_ipython and code.co_name in _MAGICS
    return result


def _frames(traceback: TracebackType | None) -> list[TracebackType]:
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    return frames
