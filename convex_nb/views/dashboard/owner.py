"""Whose tables and functions a page is about: the application's, or those of an installed component."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from convex_nb.deployment.components.installed import inside
from convex_nb.deployment.definitions import anonymous_function
from convex_nb.language.qualified_names import qualified
from convex_nb.views.dashboard.blocks import Block, choice, form
from convex_nb.views.dashboard.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.deployment.components.installed import InstalledComponent
    from convex_nb.deployment.deployment import Deployment

T = TypeVar("T")


class OwnedPage(Page):
    """A page about the application, or about the component that its reader chooses."""

    @property
    def component(self) -> str:
        """The path of the component, `""` for the application."""
        chosen = self.memory.get("component", "")
        return chosen if not chosen or chosen in self.deployment.components else ""

    @property
    def owner(self) -> Deployment | InstalledComponent:
        """Who has the tables and functions."""
        return self.deployment.components[self.component] if self.component else self.deployment

    def whole(self, name: str) -> str:
        """What the deployment calls a table or a function of the owner."""
        return qualified(self.component, name)

    def chooser(self) -> Iterable[Block]:
        """What the owner is chosen by, where there are components."""
        paths = list(self.deployment.components)
        if paths:
            choices = [("", "the application"), *((path, path) for path in paths)]
            yield form("owner", [[choice("component", "Component", choices, self.component, eager="owner")]], [])

    def do_owner(self, content: Mapping[str, Any]) -> None:
        self.memory.clear()
        self.memory["component"] = content["entries"]["component"]

    def change(self, what: str, change: Callable[[Any], T]) -> T:
        """Run `change(db)` as a mutation over the owner's tables."""
        component = self.component
        value: T = self.deployment.mutation(
            anonymous_function(lambda ctx: change(inside(ctx.db, component)), "mutation", f"dashboard:{what}"), {}
        )
        return value
