"""A call of one function, as a command line asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from convex_nb.cli.component import call_inside
from convex_nb.cli.loading import load, user_code

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.deployment.deployment import Deployment


class Call(NamedTuple):
    """What is to be called: a function, found in the sources, as the deployment's owner unless for an identity."""

    sources: list[str]
    component: str
    path: str
    arguments: dict[str, Any]
    identity: dict[str, Any] | None

    def on(self, deployment: Deployment, console: Console) -> Any:
        """Call it; what it logs is printed, also when it raises."""
        with user_code():
            functions = load(deployment, self.sources)
            if self.component:
                functions = deployment.components[self.component].functions
            function = functions[self.path]
            try:
                if self.component:
                    return call_inside(deployment.components[self.component], function.kind, self.path, self.arguments)
                if self.identity is None:
                    return deployment.run(function, self.arguments)
                with deployment.client(self.identity) as client:
                    calls = {"query": client.query, "mutation": client.mutation, "action": client.action}
                    return calls[function.kind](self.path, self.arguments)
            finally:
                console.logged((line.path, line.level, line.message) for line in deployment.logs)
