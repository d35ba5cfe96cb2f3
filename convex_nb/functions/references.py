"""`api.tasks.list` and `internal.tasks.list`: functions by attributes, so that editors can complete them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convex_nb.functions.host import get_host
from convex_nb.functions.paths import usual_spelling

if TYPE_CHECKING:
    from convex_nb.functions.definition import Visibility


class Reference:
    """A function, or a module on the way to one. Whether it exists is looked up when it is called.

    Every attribute is a name on the path, so what can be asked of a reference is outside: `path_of`, `visibility_of`.
    """

    __slots__ = ("_parts", "_visibility")

    def __init__(self, visibility: Visibility, parts: tuple[str, ...] = ()) -> None:
        self._visibility = visibility
        self._parts = parts

    def __getattr__(self, name: str) -> Reference:
        # Names with an underscore are what notebooks and debuggers probe objects for.
        if name.startswith("_"):
            raise AttributeError(f"{self!r} has no attribute {name!r}: no function's name starts with an underscore.")
        return Reference(self._visibility, (*self._parts, name))

    def __dir__(self) -> list[str]:
        host = get_host()
        if host is None:
            return []
        depth = len(self._parts)
        names = set()
        for path, function in host.functions.items():
            parts = tuple(path.replace(":", "/").split("/"))
            if function.visibility == self._visibility and len(parts) > depth and parts[:depth] == self._parts:
                names.add(parts[depth])
        return sorted(names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and (self._visibility, self._parts) == (other._visibility, other._parts)

    def __hash__(self) -> int:
        return hash((self._visibility, self._parts))

    def __repr__(self) -> str:
        return ".".join(("api" if self._visibility == "public" else "internal", *self._parts))


def path_of(reference: Reference) -> str:
    """Return the path that the attributes spell; `""` for `api` itself."""
    *module, function = reference._parts or ("",)
    return usual_spelling(f"{'/'.join(module)}:{function}" if module else function)


def visibility_of(reference: Reference) -> Visibility:
    """Return `"public"` for what hangs on `api`, `"internal"` for what hangs on `internal`."""
    return reference._visibility


api = Reference("public")
internal = Reference("internal")
