"""Read-only dicts and lists: what every read hands out, shared by caches, views and handlers."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final, NoReturn

from convex_nb.language.errors import ReadOnlyError

SYSTEM_FIELDS: Final = ("_id", "_creationTime")
"""What every document has besides its own fields."""


def _refuse(*_: object, **__: object) -> NoReturn:
    raise ReadOnlyError(
        "documents are read-only: write `doc | {...}` for a changed copy, or `ctx.db.patch` to store the change"
    )


class Document(dict[str, Any]):
    """A read-only dict. `doc | {...}`, `{**doc}`, `.copy()`, `copy`, `deepcopy` and pickle give plain dicts."""

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def copy(self) -> dict[str, Any]:
        """Return a plain dict of the same (still read-only) values."""
        return dict(self)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: deepcopy(value, memo) for key, value in self.items()}

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return dict, (dict(self),)


class ReadOnlyList(list[Any]):
    """A read-only list: the arrays inside a `Document`. `+`, `.copy()`, slices and `list(...)` give plain lists."""

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def copy(self) -> list[Any]:
        """Return a plain list of the same (still read-only) values."""
        return list(self)

    __copy__ = copy

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [deepcopy(value, memo) for value in self]

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return list, (list(self),)


def without_system_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document's own fields."""
    return {name: value for name, value in document.items() if name not in SYSTEM_FIELDS}


_CONTAINERS = frozenset({dict, list})


def freeze(value: Any) -> Any:
    """Return a normalised value with read-only containers, deeply; read-only parts are shared as they are."""
    kind = type(value)
    if kind is dict:
        if _CONTAINERS.isdisjoint(map(type, value.values())):
            return Document(value)
        return Document({key: freeze(item) for key, item in value.items()})
    if kind is list:
        if _CONTAINERS.isdisjoint(map(type, value)):
            return ReadOnlyList(value)
        return ReadOnlyList(map(freeze, value))
    return value
