"""Which function has which path."""

from __future__ import annotations

import difflib
import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import TYPE_CHECKING, TypeAlias

from convex_nb.functions.definition import Function, Kind
from convex_nb.functions.determinism.installation import adopt_names
from convex_nb.functions.globals import Bindings, NotebookNames
from convex_nb.functions.paths import join_path, usual_spelling
from convex_nb.functions.references import Reference, path_of, visibility_of
from convex_nb.language.errors import FunctionNotFoundError, SchemaDefinitionError

if TYPE_CHECKING:
    from collections.abc import Iterator

Target: TypeAlias = Function | Reference | str
"""How a call names what it calls."""
Ran: TypeAlias = "tuple[Entry | None, NotebookNames | None, Bindings | None]"
"""A function that was run from another by its path; the notebook's names that a function reads, and what they were."""

_versions = count(1)


class Entry:
    """One version of a function at a path. New code is a new entry; version numbers are never used again.

    `owner` stands for the registry. Functions of modules know their entry for ever, and must not keep by it all that
    a closed deployment held.
    """

    __slots__ = ("function", "names", "owner", "path", "version")

    def __init__(self, owner: object, path: str, function: Function) -> None:
        self.owner = owner
        self.path = path
        self.function = function
        adopt_names(getattr(inspect.unwrap(function.handler), "__globals__", {}))
        self.names = NotebookNames.of(function.handler)
        self.version = next(_versions)


class Registry:
    """Functions by path. Redefinition is atomic: calls that run keep the code that they began with.

    `on_change` callbacks get the paths whose code is new or gone. Safe for threads.
    """

    def __init__(self) -> None:
        self.on_change: list[Callable[[frozenset[str]], None]] = []
        self._owner = object()
        self._entries: dict[str, Entry] = {}
        self._lock = threading.Lock()

    @property
    def functions(self) -> Mapping[str, Function]:
        """What is registered, by path."""
        return Functions(self._entries)

    # -- defining ------------------------------------------------------------------------------------------------

    def register(self, functions: Iterable[Function], module: str | None = None) -> frozenset[str]:
        """Register functions, all or none; return the paths whose code is new.

        A function with a path of its own keeps it; the others are `module:name`. The same code again changes nothing.
        """
        return self._register([(module, function) for function in functions])

    def register_modules(self, modules: Mapping[str, Iterable[Function]]) -> frozenset[str]:
        """Register the functions of several modules at once, by the path of each module; else as `register`."""
        return self._register([(module, function) for module, functions in modules.items() for function in functions])

    def _register(self, functions: Iterable[tuple[str | None, Function]]) -> frozenset[str]:
        chosen: dict[str, Function] = {}
        for module, function in functions:
            if not isinstance(function, Function):
                raise SchemaDefinitionError(
                    f"{function!r} is not a function of a deployment: decorate it with `@query` or `@mutation`. "
                    "Nothing was registered."
                )
            if function.is_anonymous:
                raise SchemaDefinitionError(f"`{function.__name__}` has no name to register: give it a path.")
            path = function.given_path or join_path(module, function.__name__)
            if chosen.setdefault(path, function) is not function:
                raise SchemaDefinitionError(f'Two functions have the path "{path}". Nothing was registered.')
        changed = set()
        with self._lock:
            for path, function in chosen.items():
                if self._place(path, function):
                    changed.add(path)
        return self._announce(changed)

    def remove(self, paths: Iterable[str]) -> frozenset[str]:
        """Forget functions; return the paths that were there. Their live queries fail until they are defined again."""
        with self._lock:
            gone = {path for path in map(usual_spelling, paths) if self._entries.pop(path, None) is not None}
        return self._announce(gone)

    def _place(self, path: str, function: Function) -> bool:
        old = self._entries.get(path)
        if old is not None and old.function.is_same_as(function):
            # The newer object has the newer line numbers; the code, and so the version, is the same.
            old.function = function
            function.entry = old
            function.path = path
            return False
        function.path = path
        function.entry = self._entries[path] = Entry(self._owner, path, function)
        return True

    def _announce(self, changed: set[str]) -> frozenset[str]:
        paths = frozenset(changed)
        if paths:
            for callback in self.on_change:
                callback(paths)
        return paths

    # -- finding -------------------------------------------------------------------------------------------------

    def find(self, target: Target, kind: Kind) -> Entry:
        """The function that a call means. A `Function` that is not known here is registered.

        Raises `FunctionNotFoundError` for an unknown path and for a function of another kind.
        """
        entry = self.resolve(target)
        if entry.function.kind != kind:
            raise self._wrong_kind(entry, kind)
        return entry

    def resolve(self, target: Target) -> Entry:
        """The same for a function of any kind."""
        if type(target) is Function:
            entry = target.entry
            if entry is None or entry.owner is not self._owner or self._entries.get(entry.path) is not entry:
                entry = self.adopt(target)
        elif type(target) is str:
            entry = self._entries.get(target) or self.at(target)
        elif isinstance(target, Reference):
            entry = self._referred(target)
        else:
            raise FunctionNotFoundError(
                f'{target!r} is no function: give a path ("tasks:list"), a decorated function or `api.tasks.list`.'
            )
        return entry

    def find_public(self, target: Target, kind: Kind) -> Entry:
        """The same for a client, to whom an internal function is as if it were not there."""
        try:
            entry = self.resolve(target)
        except FunctionNotFoundError as error:
            if not error.path:
                raise
            path = error.path
        else:
            if entry.function.visibility == "public":
                if entry.function.kind != kind:
                    raise self._wrong_kind(entry, kind)
                return entry
            path = entry.path
        public = [path for path, entry in list(self._entries.items()) if entry.function.visibility == "public"]
        near = difflib.get_close_matches(usual_spelling(path), public, n=3, cutoff=0.65)
        hint = f" Did you mean {_either(near)}?" if near else ""
        raise FunctionNotFoundError(f'Could not find public function for "{path}".{hint}', path=path, available=near)

    def at(self, path: str) -> Entry:
        """The function with this path, however it is spelled. Raises `FunctionNotFoundError`."""
        entry = self._entries.get(usual_spelling(path))
        if entry is None:
            raise self._not_found(path)
        return entry

    def holds(self, entry: Entry) -> bool:
        """Tell whether an entry is the one at its path; one that is not lives as long as somebody uses it."""
        return self._entries.get(entry.path) is entry

    def ran(self, entry: Entry) -> Ran:
        """What a result rests on that has come about by running this function as well."""
        names = entry.names
        return (entry if self.holds(entry) else None), names, None if names is None else names.current()

    def stands(self, ran: Iterable[Ran]) -> bool:
        """Tell whether running the same again would run the same code, over the same names of the notebook."""
        for entry, names, bindings in ran:
            if entry is not None and not self.holds(entry):
                return False
            if names is not None and names.current() is not bindings:
                return False
        return True

    def adopt(self, function: Function) -> Entry:
        """The entry of a function that was handed in by itself; it is registered unless that would hide another one."""
        entry = function.entry
        if entry is not None and entry.owner is self._owner and self._entries.get(entry.path) is entry:
            return entry
        path = function.path or (function.__name__ if function.is_anonymous else join_path(None, function.__name__))
        holder = self._entries.get(path)
        is_sibling = holder is not None and function.given_path is None and function.is_sibling_of(holder.function)
        if function.is_anonymous or (is_sibling and holder and not function.is_same_as(holder.function)):
            # Siblings come from one `def` over different closures: both are wanted at once, the path holds one.
            if entry is None or entry.owner is not self._owner:
                entry = function.entry = Entry(self._owner, path, function)
            return entry
        elsewhere = holder is not None and function.__module__ not in ("__main__", holder.function.__module__)
        if elsewhere and function.path is None:
            path = join_path(function.__module__.replace(".", "/"), function.__name__)
        with self._lock:
            is_new = self._place(path, function)
            entry = self._entries[path]
        if is_new:
            self._announce({path})
        return entry

    def _referred(self, reference: Reference) -> Entry:
        path = path_of(reference)
        entry = self._entries.get(path)
        if entry is None:
            raise self._not_found(path)
        if entry.function.visibility != visibility_of(reference):
            root, _, rest = repr(reference).partition(".")
            other = "internal" if root == "api" else "api"
            raise FunctionNotFoundError(
                f'"{path}" is {entry.function.visibility}: write `{other}.{rest}`. It did not run.', path=path
            )
        return entry

    def _not_found(self, path: str) -> FunctionNotFoundError:
        near = difflib.get_close_matches(usual_spelling(path), self._entries, n=3, cutoff=0.65)
        if near:
            hint = f" Did you mean {_either(near)}?"
        elif self._entries:
            hint = " Has its cell been run, or its module been loaded?"
        else:
            hint = " No function is registered yet: run the cell that defines it, or `dep.load` its module."
        return FunctionNotFoundError(f'Could not find function "{path}".{hint}', path=path, available=near)

    def _wrong_kind(self, entry: Entry, kind: Kind) -> FunctionNotFoundError:
        actual = entry.function.kind
        return FunctionNotFoundError(
            f'"{entry.path}" is {_article(actual)}, not {_article(kind)}: call it with `{actual}` or `run_{actual}`. '
            "It did not run.",
            path=entry.path,
        )


def _either(paths: Iterable[str]) -> str:
    return " or ".join([f'"{path}"' for path in paths])


def _article(kind: Kind) -> str:
    return f"an {kind}" if kind == "action" else f"a {kind}"


class Functions(Mapping[str, Function]):
    """A read-only view of what is registered, in the order of paths; any spelling of a path finds its function."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = entries

    def __getitem__(self, path: str) -> Function:
        if not isinstance(path, str):
            raise KeyError(path)
        return self._entries[usual_spelling(path)].function

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        lines = [f"{function.visibility} {function.kind} {path}{function.signature}" for path, function in self.items()]
        return "\n".join(lines) or "no functions"
