"""What followed queries rest on besides documents: functions that they run by a path, and names of the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convex_nb.functions.live.shared_query import SharedQuery
    from convex_nb.functions.registry import Ran, Registry


class Footing:
    """Followed queries by the code and the names that their last results rest on.

    A thousand queries of one function rest on the same, which is looked at once.
    """

    def __init__(self) -> None:
        self.by_ran: dict[Ran, dict[SharedQuery, None]] = {}
        """The queries by what they rest on. Only read by others."""

    @property
    def queries(self) -> set[SharedQuery]:
        """Every query that rests on something."""
        return {query for queries in self.by_ran.values() for query in queries}

    def put(self, query: SharedQuery, ran: list[Ran] | None) -> None:
        """A query has a new result, which rests on `ran`."""
        if query.ran != ran:
            self.discard(query)
            query.ran = ran
            for each in ran or ():
                self.by_ran.setdefault(each, {})[query] = None

    def discard(self, query: SharedQuery) -> None:
        """A query is followed no longer, or rests on something else."""
        for each in query.ran or ():
            queries = self.by_ran.get(each)
            if queries is not None:
                queries.pop(query, None)
                if not queries:
                    del self.by_ran[each]
        query.ran = None

    def moved(self, registry: Registry) -> list[SharedQuery]:
        """The queries that would run other code now, or find other values. Costs O(what they rest on)."""
        return [
            query
            for ran, queries in list(self.by_ran.items())
            if not registry.stands((ran,))
            for query in list(queries)
        ]
