"""`dep.functions`: what is registered, and how it has been doing."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from convex_nb.functions.definition import Function

if TYPE_CHECKING:
    import pandas

    from convex_nb.functions.logs.tallies import Tallies, Tally

COLUMNS: Final = (
    "path",
    "kind",
    "visibility",
    "arguments",
    "returns",
    "defined_in",
    "calls",
    "errors",
    "cached",
    "p50_ms",
    "p95_ms",
)


class FunctionTable(Mapping[str, Function]):
    """The registered functions by path, in that order; any spelling of a path finds its function.

    `.df()` has a row for each: its signature, where it was defined, its calls and how long they took.
    """

    def __init__(self, functions: Mapping[str, Function], tallies: Tallies) -> None:
        self._functions = functions
        self._tallies = tallies

    def __getitem__(self, path: str) -> Function:
        return self._functions[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __repr__(self) -> str:
        return repr(self._functions)

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>{escape(repr(self))}</p>"
        shown = ("path", "kind", "arguments", "defined_in", "calls", "p95_ms")
        head = "".join([f"<th>{name.replace('_', ' ')}</th>" for name in shown])
        rows = "".join(
            [
                "<tr>" + "".join([f"<td>{escape(_text(row[name]))}</td>" for name in shown]) + "</tr>"
                for row in self.rows()
            ]
        )
        return f"<table><tr>{head}</tr>{rows}</table>"

    def rows(self) -> list[dict[str, Any]]:
        """A dict for each function. Durations, in milliseconds, are of the calls that the cache did not answer."""
        tallies = {(tally.path, tally.kind): tally for tally in self._tallies.totals()}
        return [_row(path, each, tallies.get((path, each.kind))) for path, each in self.items()]

    def df(self) -> pandas.DataFrame:
        """A row for each function."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))


def _row(path: str, function: Function, tally: Tally | None) -> dict[str, Any]:
    return {
        "path": path,
        "kind": function.kind,
        "visibility": function.visibility,
        "arguments": function.signature,
        "returns": "" if function.returns is None else repr(function.returns),
        "defined_in": place_of(function),
        "calls": 0 if tally is None else tally.calls,
        "errors": 0 if tally is None else tally.errors,
        "cached": 0 if tally is None else tally.cached,
        "p50_ms": None if tally is None else tally.quantile(0.5),
        "p95_ms": None if tally is None else tally.quantile(0.95),
    }


def place_of(function: Function) -> str:
    """Where a function was defined: `In [3], line 2`, or `tasks.py, line 12`; nothing where that is not known."""
    code = getattr(inspect.unwrap(function.handler), "__code__", None)
    if code is None:
        return ""
    # Whoever runs cells has it loaded; it is not ours to load.
    get_ipython = getattr(sys.modules.get("IPython"), "get_ipython", None)
    shell = get_ipython() if get_ipython is not None else None
    name = shell.compile.format_code_name(code.co_filename) if shell is not None else None
    where = name[1].replace("In[", "In [") if name is not None else Path(code.co_filename).name
    return f"{where}, line {code.co_firstlineno}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
