"""`api.tasks.list`, `internal.tasks.list`, `components.likes.add`: functions by attributes, for editors to complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from convex_nb.functions.host import get_host
from convex_nb.functions.paths import usual_spelling
from convex_nb.language.qualified_names import qualified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convex_nb.functions.definition import Function, Visibility
    from convex_nb.functions.host import Host

Root: TypeAlias = Literal["api", "internal", "components"]


class Reference:
    """A function, or a module on the way to one. Whether it exists is looked up when it is called.

    Every attribute is a name on the path, so what can be asked of a reference is outside: `path_of`, `visibility_of`.
    """

    __slots__ = ("_parts", "_root")

    def __init__(self, root: Root, parts: tuple[str, ...] = ()) -> None:
        self._root: Root = root
        self._parts = parts

    def __getattr__(self, name: str) -> Reference:
        # Names with an underscore are what notebooks and debuggers probe objects for.
        if name.startswith("_"):
            raise AttributeError(f"{self!r} has no attribute {name!r}: no function's name starts with an underscore.")
        return Reference(self._root, (*self._parts, name))

    def __dir__(self) -> list[str]:
        host = get_host()
        if host is None:
            return []
        depth = len(self._parts)
        names = set()
        visibility = visibility_of(self)
        for path, function in _offered(host, self._root):
            parts = tuple(path.replace(":", "/").replace("//", "/").split("/"))
            if function.visibility == visibility and len(parts) > depth and parts[:depth] == self._parts:
                names.add(parts[depth])
        return sorted(names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Reference) and (self._root, self._parts) == (other._root, other._parts)

    def __hash__(self) -> int:
        return hash((self._root, self._parts))

    def __repr__(self) -> str:
        return ".".join((self._root, *self._parts))


def path_of(reference: Reference) -> str:
    """Return the path that the attributes spell, one of a component from where it is used; `""` for `api` itself."""
    if reference._root == "components":
        child, *rest = reference._parts or ("",)
        return qualified(child, path_of(Reference("api", tuple(rest))))
    *module, function = reference._parts or ("",)
    return usual_spelling(f"{'/'.join(module)}:{function}" if module else function)


def visibility_of(reference: Reference) -> Visibility:
    """Return `"internal"` for what hangs on `internal`, `"public"` for what hangs on `api` and `components`."""
    return "internal" if reference._root == "internal" else "public"


def is_in_component(reference: Reference) -> bool:
    """Tell whether it hangs on `components`."""
    return reference._root == "components"


def child_of(reference: object) -> str | None:
    """Return the name of the component that `components.likes` stands for; `None` for anything else."""
    if isinstance(reference, Reference) and reference._root == "components" and len(reference._parts) == 1:
        return reference._parts[0]
    return None


def _offered(host: Host, root: Root) -> Iterator[tuple[str, Function]]:
    if root != "components":
        yield from host.functions.items()
        return
    for name, component in host.components.items():
        if "/" not in name:
            yield from ((qualified(name, path), function) for path, function in component.functions.items())


api = Reference("api")
internal = Reference("internal")
components = Reference("components")
