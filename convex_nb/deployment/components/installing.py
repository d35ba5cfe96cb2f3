"""What `dep.push(components=[...])` and `dep.use(...)` put in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from convex_nb.deployment.components.installed import check_kept, is_beside
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


def check_components(uses: Uses, head: Snapshot, *, beside: bool = False) -> dict[str, Component]:
    """All instances that a push asks for, by path. Raises `ComponentError`, also for one that would lose its data."""
    tree = tree_of(check_uses(uses))
    check_kept(head, tree, beside=beside)
    return tree


def whole_schema(
    head: Snapshot,
    schema: SchemaDefinition | None,
    tree: Mapping[str, Component] | None,
    *,
    beside: bool = False,
) -> SchemaDefinition | None:
    """The schema of the application and of its components; `None` stands for what is in force of either.

    With `beside`, components of other names than those in `tree` stay. Raises `ComponentError` for one that would
    lose its data.
    """
    application = part_of(head.schema) if schema is None else schema
    if tree is None:
        return head.schema if schema is None else combined(application, parts_of(head.schema))
    others = {path: part for path, part in parts_of(head.schema).items() if beside and is_beside(path, tree)}
    check_kept(head, tree, beside=beside)
    whole = combined(application, others | {path: component.schema for path, component in tree.items()})
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


def uses_of(registry: Registry) -> list[Use]:
    """What the application has installed itself."""
    return [Use(path, component) for path, component in registry.components.items() if "/" not in path]


def new_component(name: str, schema: SchemaDefinition | None = None) -> Component:
    """A component as a cell makes it. Raises `ComponentError`."""
    return Component(name, schema)


def use(deployment: Deployment, component: Component, names: Iterable[str]) -> None:
    """Install a component under these names, or its own, beside all that are there. Raises as `push` does."""
    with deployment._pushing:
        more = check_uses([Use(check_component_name(name), component) for name in names] or [component])
        uses = check_uses(uses_of(deployment._registry)) | more
        deployment._push(None, None, None, [Use(*each) for each in uses.items()], beside=True)
