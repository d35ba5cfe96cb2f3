"""A query that somebody outside of this process follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convex_nb.engine.materialised import Materialised
from convex_nb.engine.read_set import ReadSet
from convex_nb.functions.checks import adapt_arguments, check_arguments
from convex_nb.functions.live.shared_query import SharedQuery
from convex_nb.functions.paths import usual_spelling
from convex_nb.functions.runner import Result
from convex_nb.functions.tracebacks import strip
from convex_nb.language.errors import ConvexNbError, DeploymentPausedError
from convex_nb.language.ordering import same_key

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.cache import QueryCache
    from convex_nb.functions.origin import Origin
    from convex_nb.functions.registry import Registry


class RemoteQuery(SharedQuery):
    """A path and arguments from outside. Whatever refuses them is its outcome, and may be otherwise later.

    A path where no function is yet as well: the cell that defines it may still be run. `args` are normalised, and
    checked against the function in each run. A page keeps the end that it had in its first run, or in the one that the
    `journal` is of.
    """

    __slots__ = ("journal",)

    def __init__(
        self, database: Database, path: str, args: dict[str, Any], origin: Origin, journal: str | None = None
    ) -> None:
        path = usual_spelling(path)
        identity = None if origin.identity is None else origin.identity.key
        key = (origin.caller, path, same_key(args), identity, journal)
        super().__init__(key, path, None, args, True, Materialised(database), origin)
        self.journal = journal

    def run(
        self,
        database: Database,
        registry: Registry,
        cache: QueryCache,
        snapshot: Snapshot,
        materialised: Materialised | None,
        *,
        paused: bool,
    ) -> Result:
        """What it gives at a snapshot."""
        find = registry.find if self.origin.caller == "admin" else registry.find_public
        try:
            if paused:
                raise DeploymentPausedError("The deployment is paused: the query did not run.")
            entry = find(self.path, "query")
            given = adapt_arguments(entry.function, self.args)
            arguments = check_arguments(entry.function, entry.path, given, database)
        except ConvexNbError as error:
            strip(error)
            return Result(None, error, ReadSet(), snapshot)
        if self.journal is None:
            result = cache.fetch(entry, arguments, snapshot, materialised, self.origin)
        else:
            result = cache.run(entry, arguments, snapshot, materialised, self.origin, self.journal)
        self.journal = result.journal or self.journal
        return result
