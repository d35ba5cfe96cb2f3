"""The environment variables of a deployment: what `dep.env` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from html import escape
from typing import TYPE_CHECKING

from convex_nb.services.environment import Variables, check_variable, read_variables, set_variables, unset_variable
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.runner import Runner

SOURCE = "environment"
"""What others that conflict with a change of variables are told, and what the log calls it."""


class Environment(MutableMapping[str, str]):
    """Environment variables by name, as of the newest commit whenever it is asked. Shows their names, never values.

    Functions read them with `ctx.env`; a query that did runs again when one that it has read changes. Setting raises
    `InvalidValueError` and `LimitError`.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], runner: Runner, after_commit: Callable[[], object]) -> None:
        self._snapshot = snapshot
        self._runner = runner
        self._after_commit = after_commit
        self._variables = Variables(lambda lo, hi: read_variables(snapshot(), lo, hi))

    def __getitem__(self, name: str) -> str:
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return repr(self._variables)

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>"

    def __setitem__(self, name: str, value: str) -> None:
        self.update({name: value})

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(f"There is no environment variable {name!r}; nothing was unset.")
        write_system(self._runner.database, lambda writer: unset_variable(writer, name), SOURCE)
        self._changed([("deleted", name)])

    def update(  # type: ignore[override]
        self, values: Mapping[str, str] | Iterable[tuple[str, str]] = (), /, **more: str
    ) -> None:
        """Set several at once: all of them, or none."""
        given = {**dict(values), **more}
        self._snapshot()
        limits = self._runner.database.limits
        for name, value in given.items():
            check_variable(name, value, limits)
        self._changed(write_system(self._runner.database, lambda writer: set_variables(writer, given, limits), SOURCE))

    def _changed(self, changes: Iterable[tuple[str, str]]) -> None:
        now = self._runner.clock.now_ns() / 1_000_000
        for what, name in changes:
            self._runner.log.note(SOURCE, "INFO", f'The environment variable "{name}" was {what}.', now)
        self._after_commit()
