"""A component as it is defined: functions, a schema, and the components that it uses. Installing it makes instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias, TypeGuard

from convex_nb.functions.definition import Decorator, Function, Kind, Visibility, decorator
from convex_nb.functions.execution import running
from convex_nb.functions.host import get_host
from convex_nb.functions.http.router import HttpRouter
from convex_nb.functions.paths import join_path
from convex_nb.language.describing import describe
from convex_nb.language.errors import ComponentError, SchemaDefinitionError
from convex_nb.language.qualified_names import check_component_name, child_path
from convex_nb.language.schema import SchemaDefinition


class Component:
    """A part of an application that knows only its own tables. `define_component()` makes one.

    `@counter.query`, `@counter.mutation` and the like define its functions; the public ones are what others may call.
    Each instance has tables, scheduled functions and files of its own. Has no `ctx.auth` and no `ctx.env`.
    """

    def __init__(self, name: str, schema: SchemaDefinition | None = None) -> None:
        self.name = check_component_name(name)
        if not isinstance(schema, SchemaDefinition | None):
            raise SchemaDefinitionError(
                f'define_component("{name}", schema=...) takes `define_schema({{...}})`, not {describe(schema, 80)}.'
            )
        self.schema: Final = schema
        self._functions: dict[str, Function] = {}
        self._uses: dict[str, Component] = {}
        self.http: Final = HttpRouter()
        """Its HTTP actions: they answer where an application mounts them, `http.mount("/likes/", components.likes)`."""
        self.query = self._decorator("query", "public", "Make a query of this component.")
        self.mutation = self._decorator("mutation", "public", "Make a mutation of this component.")
        self.action = self._decorator("action", "public", "Make an action of this component.")
        self.internal_query = self._decorator("query", "internal", "Make a query that only this component can call.")
        self.internal_mutation = self._decorator(
            "mutation", "internal", "Make a mutation that only this component can call."
        )
        self.internal_action = self._decorator(
            "action", "internal", "Make an action that only this component can call."
        )

    def __repr__(self) -> str:
        tables = () if self.schema is None else self.schema.tables
        has = [("functions", self._functions), ("tables", tables), ("uses", self._uses)]
        parts = [f"{what}: {', '.join(names)}" for what, names in has if names]
        return f"<component {'; '.join([self.name, *parts])}>"

    @property
    def functions(self) -> Mapping[str, Function]:
        """What it defines, by path."""
        return MappingProxyType(self._functions)

    @property
    def uses(self) -> Mapping[str, Component]:
        """The components inside it, by the names that it has given them."""
        return MappingProxyType(self._uses)

    def use(self, child: Component, name: str | None = None) -> Component:
        """Have an instance of `child` inside each instance of this one: `components.<name>` in its functions.

        The name is the child's unless given. Returns the child. Raises `ComponentError` for a name that another one
        has, and for a component that would contain itself.
        """
        name = _name_of(child, name)
        taken = self._uses.get(name)
        if taken is not None and taken is not child and taken.name != child.name:
            raise ComponentError(
                f'"{self.name}" uses the component "{taken.name}" as "{name}" already: give this one another name, '
                f'`use(..., name="...")`. Nothing changed.',
                component=name,
            )
        way = _way(child, self)
        if way is not None:
            raise ComponentError(
                f'"{self.name}" cannot use "{child.name}", which would make it a part of itself: '
                f"{' > '.join([self.name, *way])}. Nothing changed.",
                component=self.name,
            )
        self._uses[name] = child
        self._changed()
        return child

    def named(self, name: str) -> Use:
        """This component under another name, for `dep.push(components=[...])`."""
        return Use(check_component_name(name), self)

    def _decorator(self, kind: Kind, visibility: Visibility, doc: str) -> Decorator:
        return decorator(kind, visibility, doc, self.add)

    def add(self, function: Function) -> Function:
        """Make a function one of this component's, in the place of the one that has its path."""
        if function.is_anonymous:
            raise SchemaDefinitionError(f"`{function.__name__}` has no name in its component: give it a path.")
        function.path = function.given_path or join_path(None, function.__name__)
        function.component = self.name
        self._functions[function.path] = function
        self._changed()
        return function

    def _changed(self) -> None:
        # A cell that defines a function of it anew is live at once, as with any function.
        host = get_host()
        if host is not None and running.get() is None:
            host.refresh_component(self)


class Use(NamedTuple):
    """A component and the name that it is installed under."""

    name: str
    component: Component


Uses: TypeAlias = Iterable[Component | Use]


def define_component(name: str, schema: SchemaDefinition | None = None) -> Component:
    """Return a component without functions: decorate them with its own `.query`, `.mutation`, `.action`.

    `dep.push(components=[counter, counter.named("likes")])` installs it, each time with tables of its own. Raises
    `ComponentError` for a name that none can have.
    """
    return Component(name, schema)


def check_uses(uses: object) -> dict[str, Component]:
    """The components that an application uses, by name. Raises `ComponentError`."""
    if isinstance(uses, Component | Use | str | Mapping) or not isinstance(uses, Iterable):
        raise ComponentError(
            f"push(components=...) takes a list of components, not {describe(uses, 80)}. Nothing changed."
        )
    found: dict[str, Component] = {}
    for each in uses:
        given, component = each if isinstance(each, Use) else (None, each)
        name = _name_of(component, given)
        if name in found:
            raise ComponentError(
                f'Two components are called "{name}": give one of them another name, '
                f'`{component.name}.named("...")`. Nothing changed.',
                component=name,
            )
        found[name] = component
    return found


def is_uses(value: object) -> TypeGuard[Sequence[Component | Use]]:
    """Tell whether this is a list of components, as `push(components=...)` takes it."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(each, Component | Use) for each in value)


def tree_of(uses: Mapping[str, Component], root: str = "") -> dict[str, Component]:
    """All instances that come of these, by their paths, each before those inside of it."""
    tree: dict[str, Component] = {}
    for name, component in uses.items():
        path = child_path(root, name)
        tree[path] = component
        tree |= tree_of(component.uses, path)
    return tree


def _name_of(component: Any, name: str | None) -> str:
    if not isinstance(component, Component):
        definition = getattr(component, "definition", None)
        called = getattr(component, "__name__", type(component).__name__)
        hint = f" Write `{called}.definition`." if isinstance(definition, Component) else ""
        raise ComponentError(
            f"A component is what `define_component(...)` returns, not {describe(component, 80)}. Nothing changed."
            + hint
        )
    return component.name if name is None else check_component_name(name)


def _way(start: Component, end: Component) -> list[str] | None:
    """The names on the way from one component to another inside of it, or `None`."""
    if start is end:
        return [start.name]
    for child in start.uses.values():
        way = _way(child, end)
        if way is not None:
            return [start.name, *way]
    return None
