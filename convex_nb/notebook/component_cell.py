"""What a `%%convex_component` cell does: defines a component and installs it, or leaves everything as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from convex_nb.deployment.components.installing import new_component, use
from convex_nb.language.schema import define_schema, define_table
from convex_nb.notebook.cell_body import CellBody, run_apart
from convex_nb.notebook.declared_schema import extent, tables_in
from convex_nb.notebook.offered import OFFERED
from convex_nb.views.card import Card, Part

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.components.component import Component


def define_in_cell(
    shell: InteractiveShell, deployment: Deployment, body: CellBody, name: str, installed_as: list[str] | None
) -> tuple[Component, Card]:
    """Run a cell that defines a component, and install it in the place of what had its names.

    Raises what the cell raises, `ComponentError` and `SchemaValidationError`; nothing has changed then.
    """
    draft = new_component(name)
    scope = run_apart(
        shell,
        body,
        {
            **OFFERED,
            "define_table": define_table,
            "define_schema": define_schema,
            "query": draft.query,
            "mutation": draft.mutation,
            "action": draft.action,
            "internal_query": draft.internal_query,
            "internal_mutation": draft.internal_mutation,
            "internal_action": draft.internal_action,
            "use": draft.use,
        },
    )
    plain = [each for each in body.handlers if not hasattr(scope.get(each), "handler")]
    if plain:
        raise UsageError(
            f"%%convex_component: say what kind of function `{plain[0]}` is: write `@query`, `@mutation` or `@action` "
            "above it."
        )
    tables = tables_in(scope)
    component = new_component(name, define_schema(tables) if tables else None)
    for function in draft.functions.values():
        component.add(function)
    for child_name, child in draft.uses.items():
        component.use(child, child_name)
    names = installed_as or [name]
    use(deployment, component, names)
    return component, _card(component, names, tables)


def _card(component: Component, names: list[str], tables: dict[str, Any]) -> Card:
    lines: list[list[Part]] = [
        [("plain", "component:"), ("name", component.name), ("soft", f"installed as {', '.join(names)}")]
    ]
    lines += [[("plain", "table:"), ("name", name), ("soft", extent(table))] for name, table in tables.items()]
    for path, function in component.functions.items():
        shown = f"components.{names[0]}.{path.replace('/', '.').replace(':', '.')}"
        kind = function.kind if function.visibility == "public" else f"internal {function.kind}"
        lines.append([("name", shown), ("soft", f" {kind} "), ("code", function.signature)])
    return Card(lines)
