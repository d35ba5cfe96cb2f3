"""Whose tables are meant: names as a part of the program gives them, and the tables that it may see.

The application and each component have two namespaces, that of its own tables and that of the system's tables for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from convex_nb.engine.names import check_table_name
from convex_nb.engine.system_tables import check_system_table, is_system_table
from convex_nb.language.qualified_names import component_of, local_name, qualified

if TYPE_CHECKING:
    from collections.abc import Iterable


class Namespace:
    """The tables that belong to one component, or to the application, whose path is `""`.

    `owns_all`: ids of every component are good in it, though names are those of this one.
    """

    __slots__ = ("component", "is_root", "is_system", "operations", "owns_all")

    def __init__(self, component: str, is_system: bool, *, owns_all: bool = False) -> None:
        self.component = component
        self.is_system = is_system
        self.owns_all = owns_all
        self.is_root = not component and not is_system and not owns_all
        self.operations = "system." if is_system else ""
        """What an operation is called in it: `db.system.get`."""

    def __repr__(self) -> str:
        return f"Namespace({self.component!r}, is_system={self.is_system})"

    @staticmethod
    @lru_cache(1024)
    def of(component: str) -> Namespace:
        """That of a component's own tables."""
        return ROOT if not component else Namespace(component, False)

    @property
    def system(self) -> Namespace:
        """That of the system's tables for the same component, for its functions."""
        return _system(self.component)

    def table(self, name: object, *, public: bool = True) -> str:
        """The whole name of the table that is called `name` here. Raises `InvalidValueError` for what cannot be one."""
        checked = check_system_table(name, public=public) if self.is_system else check_table_name(name)
        return qualified(self.component, checked) if self.component else checked

    def holds(self, table: str) -> bool:
        """Whether the table of this whole name is one of these."""
        is_own = self.owns_all or component_of(table) == self.component
        return is_own and is_system_table(table) == self.is_system

    def refusal(self, table: str) -> str:
        """What to say of an id of a table that is not among these."""
        owner = component_of(table)
        if owner == self.component or self.owns_all:
            text = "User tables cannot be accessed with db.system"
            if is_system_table(table):
                text = "System tables can only be accessed with db.system"
            return f'{text}, and this is an Id<"{table}">.'
        text = f'this is an Id<"{table}">, a document that '
        if owner:
            text += f'only the component "{owner}" itself can read and write: call one of its functions.'
        else:
            text += f'the component "{self.component}" cannot see: let the caller pass what it needs of it.'
        return text


ROOT: Final = Namespace("", False)
"""The tables of the application's users."""
EVERYBODY: Final = Namespace("", False, owns_all=True)
"""The same, and by their ids the documents of components too: for those who look at all of it."""


@lru_cache(1024)
def _system(component: str) -> Namespace:
    return Namespace(component, True)


@lru_cache(1024)
def managed_by(component: str) -> Namespace:
    """That of the system's tables for a component, for the system itself: it knows what it has ids of."""
    return Namespace(component, True, owns_all=True)


def tables_called(name: str, tables: Iterable[str]) -> list[str]:
    """The whole names of the system's tables of this name: the application's and those of components."""
    return [each for each in tables if each.endswith(name) and local_name(each) == name]
