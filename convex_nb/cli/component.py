"""`--component`: the tables and functions of an installed component in place of the application's."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from convex_nb.cli.options import OptionParser, nearest
from convex_nb.language.errors import ComponentError

if TYPE_CHECKING:
    from convex_nb.deployment.components.installed import InstalledComponent
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.definition import Kind


def add_component(parser: OptionParser, what: str) -> None:
    """Let the command line name a component; `what` of it is meant."""
    parser.add_argument(
        "--component", metavar="PATH", default="", help=f"{what} of a component: likes, or likes/inner inside of it"
    )


def component_of(deployment: Deployment, options: Namespace) -> InstalledComponent:
    """Return the component that is named. Raises `ComponentError` where there is none of this path."""
    path, known = options.component, deployment.components
    if path not in known:
        raise ComponentError(
            f"There is no component {path!r}.{nearest(path, known)} There are: {', '.join(known) or 'none'}.",
            component=path,
        )
    return known[path]


def call_inside(component: InstalledComponent, kind: Kind, path: str, arguments: dict[str, Any]) -> Any:
    """Call a function of a component, public or internal."""
    calls = {"query": component.query, "mutation": component.mutation, "action": component.action}
    return calls[kind](path, arguments)
