"""What `dep.push(components=[...])` and `dep.use(...)` put in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convex_nb.deployment.components.installed import check_kept
from convex_nb.functions.components.component import Component, Use, check_uses, tree_of
from convex_nb.language.component_schema import NONE, combined, part_of, parts_of
from convex_nb.language.qualified_names import check_component_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.components.component import Uses
    from convex_nb.functions.registry import Registry
    from convex_nb.language.schema import SchemaDefinition


def check_components(uses: Uses, head: Snapshot) -> dict[str, Component]:
    """All instances that a push asks for, by path. Raises `ComponentError`, also for one that would lose its data."""
    tree = tree_of(check_uses(uses))
    check_kept(head, tree)
    return tree


def whole_schema(
    head: Snapshot, schema: SchemaDefinition | None, tree: Mapping[str, Component] | None
) -> SchemaDefinition | None:
    """The schema of the application and of its components; `None` stands for what is in force of either."""
    application = part_of(head.schema) if schema is None else schema
    if tree is None:
        return combined(application, parts_of(head.schema))
    whole = combined(application, {path: component.schema for path, component in tree.items()})
    return NONE if whole is None and head.schema is not None else whole


@contextmanager
def installed(registry: Registry, tree: Mapping[str, Component] | None) -> Iterator[None]:
    """Have the functions of these components inside the block, and after it unless it raises."""
    former = registry.components
    if tree is not None:
        registry.install(tree)
    try:
        yield
    except BaseException:
        if tree is not None:
            registry.install(former)
        raise


def with_one_more(registry: Registry, component: Component, name: str | None) -> list[Use]:
    """What is installed, and one more component, or the new definition of one."""
    more = check_uses([component if name is None else Use(check_component_name(name), component)])
    return [Use(*each) for each in (check_uses(uses_of(registry)) | more).items()]


def uses_of(registry: Registry) -> list[Use]:
    """What the application has installed itself."""
    return [Use(path, component) for path, component in registry.components.items() if "/" not in path]


def new_component(name: str, schema: SchemaDefinition | None = None) -> Component:
    """A component as a cell makes it. Raises `ComponentError`."""
    return Component(name, schema)


def uses_with(deployment: Deployment, component: Component, names: Iterable[str]) -> list[Use]:
    """What is installed, and a component under these names. Raises `ComponentError`."""
    more = {use.name: use for use in uses_of(deployment._registry)}
    return list((more | {name: component.named(name) for name in names}).values())
