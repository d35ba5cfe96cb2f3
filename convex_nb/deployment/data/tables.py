"""Whole tables: what `dep.table(name)` and `dep.tables` give."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from html import escape
from typing import TYPE_CHECKING

from convex_nb.engine.names import check_table_name
from convex_nb.engine.namespaces import Namespace
from convex_nb.engine.schema_push import backfills
from convex_nb.engine.search.upkeep import search_definitions
from convex_nb.engine.system_tables import SYSTEM_TABLES
from convex_nb.language.describing import counted
from convex_nb.language.errors import DeploymentClosedError
from convex_nb.language.qualified_names import local_name, qualified
from convex_nb.language.schema import SearchIndexDefinition

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from convex_nb.engine.schema_push import Backfill
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.table import TableState
    from convex_nb.language.schema import VectorIndexDefinition


class Table:
    """One table, as of the newest commit whenever it is asked, or of the moment in the past that it was taken from."""

    def __init__(self, name: str, snapshot: Callable[[], Snapshot], component: str = "") -> None:
        self.name = name if name in SYSTEM_TABLES and SYSTEM_TABLES[name].public else check_table_name(name)
        self._whole_name = qualified(component, self.name)
        self._component = component
        self._snapshot = snapshot

    def __repr__(self) -> str:
        return f"<Table {self.name}: {self._size()}>"

    def _repr_html_(self) -> str:
        return f"<code>{escape(self.name)}</code>: {self._size()}"

    def _size(self) -> str:
        try:
            count = self.count()
        except DeploymentClosedError:
            return "of a closed deployment"
        doubt = self._doubt()
        return f"{counted(count, 'document')}. {doubt}" if doubt else counted(count, "document")

    def _doubt(self) -> str:
        """Which table may be meant by a name that neither a table nor the schema has; else nothing."""
        snapshot, namespace = self._snapshot(), Namespace.of(self._component)
        declared = {} if snapshot.schema is None else snapshot.schema.tables
        if self._whole_name in snapshot.tables or self._whole_name in declared or self.name in SYSTEM_TABLES:
            return ""
        known = {local_name(each) for each in (*snapshot.tables, *declared) if namespace.holds(each)}
        near = get_close_matches(self.name, known, n=1, cutoff=0.8)
        return f"There is no table {self.name!r}: did you mean {near[0]!r}?" if near else ""

    def __len__(self) -> int:
        return self.count()

    def count(self) -> int:
        """How many documents there are. Costs O(1)."""
        state = self._state
        return 0 if state is None else len(state)

    def arrow(self) -> pyarrow.Table:
        """All documents by creation time, a column for each field; missing and null are both null.

        Lists and objects are Arrow's lists and structs. Flat columns are shared, not copied, where no row of them was
        changed since. Costs O(changed documents), and once for each nested value. Warns of the name of a table that
        does not exist, if one is called almost so.
        """
        self._warn()
        return self._columns(times=False)

    def df(self) -> pandas.DataFrame:
        """The same as a DataFrame, in which `_creationTime` is a UTC timestamp.

        Whole numbers and booleans that some documents lack have pandas' nullable types.
        """
        from convex_nb.engine.reading.columnar import to_frame

        self._warn()
        return to_frame(self._columns(times=True))

    def _warn(self) -> None:
        # What is not there yet may be read: an error would break whoever looks before the first insert.
        doubt = self._doubt()
        if doubt:
            warnings.warn(doubt, stacklevel=3)

    def _columns(self, *, times: bool) -> pyarrow.Table:
        from convex_nb.engine.reading.columnar import documents_to_arrow, table_to_arrow
        from convex_nb.engine.table import TableState

        state = self._state
        if state is None:
            return documents_to_arrow(TableState.create(self.name, 0, None), (), times=times)
        return table_to_arrow(state, times=times)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        self._warn()
        return self._columns(times=False).__arrow_c_stream__(requested_schema)

    @property
    def indexes(self) -> dict[str, tuple[str, ...]]:
        """The fields of each index, by name; the automatic ones first."""
        state = self._state
        return {} if state is None else {index.name: index.fields for index in state.indexes}

    @property
    def searches(self) -> dict[str, str]:
        """What of the documents can be searched, by the name of the index: "text of body, by channel"."""
        state = self._state
        definitions = () if state is None else search_definitions(state.definition, staged=False)
        return {each.name: _searched(each) for each in definitions}

    @property
    def staged(self) -> dict[str, Backfill]:
        """The indexes that are being filled in the background, by name, and how far each is. Costs O(segments)."""
        state = self._state
        return {} if state is None else backfills(state)

    @property
    def _state(self) -> TableState | None:
        return self._snapshot().table(self._whole_name)


def _searched(definition: SearchIndexDefinition | VectorIndexDefinition) -> str:
    if isinstance(definition, SearchIndexDefinition):
        what = f"text of {definition.search_field}"
    else:
        what = f"vectors of {definition.dimensions} numbers in {definition.vector_field}"
    return what + (f", by {', '.join(definition.filter_fields)}" if definition.filter_fields else "")


class Tables(Mapping[str, Table]):
    """The tables that exist of the application, or of a component, by name; not those of the system."""

    def __init__(self, snapshot: Callable[[], Snapshot], component: str = "") -> None:
        self._snapshot = snapshot
        self._component = component

    def __getitem__(self, name: str) -> Table:
        whole_name = qualified(self._component, name) if isinstance(name, str) else ""
        if not Namespace.of(self._component).holds(whole_name) or whole_name not in self._snapshot().tables:
            raise KeyError(name)
        return Table(name, self._snapshot, self._component)

    def __iter__(self) -> Iterator[str]:
        namespace = Namespace.of(self._component)
        return iter(sorted([local_name(name) for name in self._snapshot().tables if namespace.holds(name)]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        try:
            tables = list(self.values())
        except DeploymentClosedError:
            return "no tables: the deployment was closed"
        return "\n".join([f"{table.name}: {table._size()}" for table in tables]) or "no tables"
