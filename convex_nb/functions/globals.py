"""The names of the notebook that a function reads, and whether they still stand for what they stood for."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import repeat
from operator import is_
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, Final
from weakref import WeakSet

from convex_nb.functions.globals_code import Change, global_names

NOTEBOOK: Final = "__main__"
"""The module whose names are followed: what runs in cells. Other modules change only by being loaded again."""
_UNBOUND: Final = object()
_DEFINITIONS: Final = (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)
_DEFINING: Final = frozenset({__name__.partition(".")[0], "functools", "typing"})
"""Packages whose objects are definitions as well: registered functions, partials, annotations."""
_warned: Final[set[tuple[str, str, int]]] = set()


class Bindings:
    """What the names that a function reads stood for at one time. `hold` tells whether they still do."""

    __slots__ = ("_look_up", "has_data", "values")

    def __init__(self, namespace: Mapping[str, Any], values: dict[str, Any]) -> None:
        self._look_up = namespace.get
        self.values = values
        self.has_data = any(not _is_definition(value) for value in values.values())
        """Whether anything but functions, classes and modules is among them."""

    def hold(self) -> bool:
        """Tell whether no name has been rebound since. Costs some 30 ns a name."""
        values = self.values
        return all(map(is_, map(self._look_up, values, repeat(_UNBOUND)), values.values()))


class NotebookNames:
    """The notebook's names that one handler reads, in its own code and in the functions and classes that it uses.

    With `warns` the user is warned of a name that it changes.
    """

    __slots__ = ("__weakref__", "_bindings", "_handler", "_namespace", "_warns")

    def __init__(self, handler: Any, namespace: Mapping[str, Any], *, warns: bool = True) -> None:
        self._handler = handler
        self._warns = warns
        self._namespace = namespace
        self._bindings = self._bind()
        with _lock:
            _all.add(self)

    @classmethod
    def of(cls, handler: Any, *, warns: bool = True) -> NotebookNames | None:
        """The names of a handler; `None` for one that was not defined in a notebook, or that reads none."""
        namespace = _namespace_of(handler)
        if namespace is None or namespace.get("__name__") != NOTEBOOK:
            return None
        names = cls(handler, namespace, warns=warns)
        return names if names._bindings.values else None

    def current(self) -> Bindings:
        """What the names stand for now: the same object as before as long as none was rebound to something else.

        A function that was defined again with the same code is the same.
        """
        bindings = self._bindings
        if not bindings.hold():
            fresh = self._bind()
            if _are_same(bindings.values, fresh.values):
                bindings.values = fresh.values
            else:
                self._bindings = fresh
                # Results know the old ones by identity, and must not keep a frame of a gigabyte alive by them.
                bindings.values = {}
        return self._bindings

    def _bind(self) -> Bindings:
        values: dict[str, Any] = {}
        bound: set[str] = set()
        for function in _reachable(self._handler, self._namespace):
            found = global_names(function.__code__)
            values |= {name: self._namespace.get(name, _UNBOUND) for name in found.read if name not in values}
            bound |= {change.name for change in found.changes if change.is_rebinding}
            for change in found.changes if self._warns else ():
                if change.is_rebinding or isinstance(self._namespace.get(change.name), (list, dict, set)):
                    _warn(function, change)
        # What it rebinds itself would make it run for ever.
        return Bindings(self._namespace, {name: value for name, value in values.items() if name not in bound})


_all: Final[WeakSet[NotebookNames]] = WeakSet()
_lock: Final = threading.Lock()


def let_go() -> None:
    """Keep nothing alive that the notebook's names do not stand for any more. Costs O(functions and kept results)."""
    with _lock:
        known = list(_all)
    for names in known:
        names.current()


def _namespace_of(handler: Any) -> Mapping[str, Any] | None:
    for function in _functions_in(handler, NOTEBOOK):
        return function.__globals__
    return None


def _reachable(handler: Any, namespace: Mapping[str, Any]) -> Iterator[FunctionType]:
    """The functions of the notebook that a handler may call, itself first, as far as names lead to them."""
    pending: list[Any] = [handler]
    seen: set[int] = set()
    while pending:
        each = pending.pop()
        for function in _functions_in(each, NOTEBOOK):
            if id(function) in seen:
                continue
            seen.add(id(function))
            pending += [cell.cell_contents for cell in function.__closure__ or () if _is_filled(cell)]
            if function.__globals__ is namespace:
                yield function
                pending += map(namespace.get, global_names(function.__code__).read)


def _functions_in(value: Any, module: str, depth: int = 6) -> Iterator[FunctionType]:
    """The Python functions that calling or using a value of the notebook runs."""
    if isinstance(value, FunctionType):
        yield value
    elif not depth or isinstance(value, (ModuleType, BuiltinFunctionType)):
        return
    elif isinstance(value, type):
        if value.__module__ == module:
            for each in (*vars(value).values(), *value.__bases__):
                yield from _functions_in(each, module, depth - 1)
    else:
        for each in _parts(value):
            yield from _functions_in(each, module, depth - 1)


def _parts(value: Any) -> Iterable[Any]:
    """What a wrapper wraps: a method, a property, a partial, a cached or a registered function; or the class."""
    if isinstance(value, (staticmethod, classmethod, MethodType)):
        return (value.__func__,)
    if isinstance(value, property):
        return (value.fget, value.fset)
    if isinstance(value, partial):
        return (value.func, *value.args, *value.keywords.values())
    try:
        # Not `value.__wrapped__`, for which a class may have code of its own.
        wrapped = object.__getattribute__(value, "__dict__").get("__wrapped__")
    except AttributeError:
        wrapped = None
    return (wrapped, type(value))


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _is_definition(value: Any) -> bool:
    return value is _UNBOUND or isinstance(value, _DEFINITIONS) or type(value).__module__.partition(".")[0] in _DEFINING


def _are_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    from convex_nb.functions.definition import Function, same_code

    if old.keys() != new.keys():
        return False
    for name, value in new.items():
        former = old[name]
        if former is value or same_code(former, value):
            continue
        if not (isinstance(former, Function) and isinstance(value, Function) and value.is_same_as(former)):
            return False
    return True


def _warn(function: FunctionType, change: Change) -> None:
    code = function.__code__
    place = (code.co_filename, change.name, change.line)
    if place in _warned:
        return
    _warned.add(place)
    what = "rebinds the global name" if change.is_rebinding else "changes what is behind the global name"
    warnings.warn_explicit(
        f"`{function.__name__}` {what} `{change.name}`. A query or mutation may run again at any time, or be answered "
        "without running: keep what it should remember in a table.",
        UserWarning,
        code.co_filename,
        change.line,
    )
