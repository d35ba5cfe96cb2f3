"""An installed component as its deployment's owner sees it: `dep.components["likes"]`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, TypeVar

from convex_nb.deployment.acting import Acting
from convex_nb.deployment.data.tables import Table, Tables
from convex_nb.deployment.files.files import Files
from convex_nb.deployment.jobs.schedules import Schedules
from convex_nb.engine.files.collection import FILES
from convex_nb.engine.namespaces import Namespace, managed_by
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.functions.origin import ADMINISTRATOR
from convex_nb.language.component_schema import part_of
from convex_nb.language.errors import ComponentError
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.qualified_names import component_of, local_name

if TYPE_CHECKING:
    from convex_nb.deployment.calling import Calling
    from convex_nb.engine.reading.reader import DatabaseReader, DatabaseWriter
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.components.component import Component
    from convex_nb.functions.definition import Function
    from convex_nb.language.schema import SchemaDefinition

T = TypeVar("T")
R = TypeVar("R", bound="DatabaseReader")


class InstalledComponent(Acting):
    """One instance: its tables and its functions, all of which can be called here by the names that it has for them.

    One whose definition has not been pushed since the file was opened has its tables and no functions.
    """

    def __init__(self, deployment: Calling, path: str) -> None:
        super().__init__(deployment, ADMINISTRATOR, path)
        self.path = path

    def __repr__(self) -> str:
        tables = ", ".join([f"{table.name} ({table.count():,})" for table in self.tables.values()]) or "no tables"
        if self.definition is None:
            return f"<component {self.path}: {tables}; not installed since this was opened>"
        return f"<component {self.path}: {len(self.functions)} functions, {tables}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self).strip('<>'))}</p>"

    @property
    def definition(self) -> Component | None:
        """What `define_component` returned."""
        return self._deployment._registry.components.get(self.path)

    @property
    def functions(self) -> Mapping[str, Function]:
        """Its functions, public and internal, by path."""
        return self._deployment._registry.functions_of(self.path)

    @property
    def schema(self) -> SchemaDefinition | None:
        """The schema of its tables."""
        return part_of(self._deployment._head().schema, self.path)

    @property
    def tables(self) -> Tables:
        """Its tables, by name."""
        return Tables(self._deployment._head, self.path)

    def table(self, name: str) -> Table:
        """One of its tables, or of the system's tables for it."""
        return Table(name, self._deployment._head, self.path)

    @property
    def schedules(self) -> Schedules:
        """What it has scheduled, by id."""
        return Schedules(self._deployment._head, self._deployment._scheduling, self.path)

    @property
    def files(self) -> Files:
        """Its files, by id."""
        deployment = self._deployment
        return Files(
            deployment._head,
            deployment._database,
            deployment._urls,
            deployment._after_commit,
            deployment._ask_again,
            self.path,
        )

    def transact(self, function: Callable[[DatabaseWriter], T], /) -> T:
        """Run `function(db)` over its tables as a mutation: see `Deployment.transact`."""
        return self._deployment.transact(lambda db: function(inside(db, self.path)))

    def clear(self) -> int:
        """Delete everything that it has stored, and what the components inside of it have; how many documents."""
        deployment = self._deployment
        if deployment._blocked:
            deployment._refuse()
        transaction = deployment._database.begin()
        sizes = stored_in(transaction.snapshot, self.path)
        for name in sizes:
            if local_name(name) == FILES:
                # One by one: whoever deletes the bytes of files goes by the documents that commits delete.
                for document in transaction.read(name, BY_CREATION_TIME, MIN_KEY, MAX_KEY):
                    transaction.delete(document["_id"], None, managed_by(self.path))
            else:
                transaction.recreate(name)
        deployment._runner.commit(transaction, "clear")
        deployment._after_commit()
        return sum(sizes.values())


class Components(Mapping[str, InstalledComponent]):
    """The installed components by path, `"likes"`, `"likes/inner"`, and those that only have tables here as yet."""

    def __init__(self, deployment: Calling) -> None:
        self._deployment = deployment

    def __getitem__(self, path: str) -> InstalledComponent:
        there = list(self)
        if path not in there:
            raise KeyError(f"There is no component {path!r} here; there are: {', '.join(there) or 'none'}.")
        return InstalledComponent(self._deployment, path)

    def __iter__(self) -> Iterator[str]:
        head = self._deployment._head()
        names = [name for name, state in head.tables.items() if len(state)] + list(
            head.schema.tables if head.schema else ()
        )
        stored = {component_of(name) for name in names} - {""}
        return iter(sorted(stored | self._deployment._registry.components.keys()))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return "\n".join([repr(each) for each in self.values()]) or "no components"


def inside(db: R, path: str) -> R:
    """What `db` is to the component at this path, and to the application for `""`."""
    return type(db)(db._transaction, Namespace.of(path))


def stored_in(snapshot: Snapshot, path: str) -> dict[str, int]:
    """The tables with documents of a component and of those inside of it, by whole name, and how many there are."""
    return {
        name: len(state)
        for name, state in snapshot.tables.items()
        if len(state) and f"{component_of(name)}/".startswith(f"{path}/")
    }


def is_beside(path: str, paths: Mapping[str, object]) -> bool:
    """Whether a component is neither one of these, nor inside of one, nor has one inside."""
    name = path.partition("/")[0]
    return all(each.partition("/")[0] != name for each in paths)


def check_kept(snapshot: Snapshot, paths: Mapping[str, object], *, beside: bool = False) -> None:
    """Raise `ComponentError` for a component with documents that is not to be there any more.

    With `beside` those of other names stay.
    """
    gone = {component_of(name) for name, state in snapshot.tables.items() if len(state)} - {"", *paths}
    for path in sorted(gone):
        if beside and is_beside(path, paths):
            continue
        tables = {name: size for name, size in stored_in(snapshot, path).items() if component_of(name) == path}
        listed = ", ".join([f"{size:,} in {name!r}" for name, size in tables.items()])
        raise ComponentError(
            f'The component "{path}" has documents ({listed}) and is not among the components given: nothing changed. '
            f'`dep.components["{path}"].clear()` deletes them; or leave it in the list.',
            component=path,
        )
