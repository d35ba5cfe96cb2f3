"""Answers that still hold: the results of queries, by function version and exact arguments."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from convex_nb.functions.live.flights import Flights
from convex_nb.functions.origin import ADMINISTRATOR, Origin
from convex_nb.functions.runner import Result, Runner
from convex_nb.language.ordering import same_key

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from convex_nb.engine.materialised import Materialised
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.registry import Entry

    Key: TypeAlias = tuple[int, Hashable] | tuple[int, Hashable, Hashable]
    """Version, arguments, and the identity where it matters."""

MOST_ENTRIES: Final = 10_000
MOST_BYTES: Final = 64 << 20
_FAR: Final = 256
"""Commits beyond which running a query again is likely quicker than looking whether they touched it."""
_SAMPLE: Final = 16


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """The figures of a query cache."""

    entries: int
    """Results that are kept."""
    nbytes: int
    """About how large they are."""
    hits: int
    """Queries that were answered from here."""
    misses: int
    """Queries that had to run."""


class QueryCache:
    """Results by function version, arguments and, only if it was asked for, identity.

    Each is good as long as no commit touches what it read.

    Nothing is done at a commit: a result is held against the commits since it was last known to be good when it is
    asked for. The least recently used go first when there are too many. Errors are not kept, nor is what looked at
    the clock. Safe for threads.
    """

    def __init__(self, runner: Runner, *, most_entries: int = MOST_ENTRIES, most_bytes: int = MOST_BYTES) -> None:
        self._runner = runner
        self._most_entries = most_entries
        self._most_bytes = most_bytes
        self._results: dict[Key, tuple[Result, int]] = {}
        self._nbytes = 0
        self._lock = threading.Lock()
        self._flights = Flights()
        # Whether any result was kept for one identity only.
        self._by_identity = False
        self._hits = 0
        self._misses = 0

    def __len__(self) -> int:
        return len(self._results)

    def fetch(
        self,
        entry: Entry,
        arguments: dict[str, Any],
        snapshot: Snapshot,
        materialised: Materialised | None = None,
        origin: Origin = ADMINISTRATOR,
    ) -> Result:
        """The result of a query with checked arguments at `snapshot`: the one that is kept, or a new run's.

        While another thread runs the same, it waits for that one and shares its result, an error too.
        """
        started = perf_counter()
        key: Key = (entry.version, same_key(arguments) if arguments else ())
        own: Key = (*key, None if origin.identity is None else origin.identity.key)
        result = self._good(key, snapshot) or (self._good(own, snapshot) if self._by_identity else None)
        if result is None:
            flight, is_mine = self._flights.begin(own)
            if not is_mine:
                result = self._flights.wait(own, flight)
                if result is not None and not self._is_of(result, snapshot):
                    # Not true for this moment, but what was read may have stayed the same since.
                    result = self._good(own if result.reads_identity else key, snapshot)
        if result is None:
            self._misses += 1
            try:
                result = self._runner.query(entry, arguments, snapshot, materialised, origin)
                if result.error is None and not result.reads_clock:
                    self._by_identity = self._by_identity or result.reads_identity
                    self._keep(own if result.reads_identity else key, result)
            finally:
                if is_mine:
                    self._flights.land(own, flight, result)
            return result
        self._hits += 1
        now_ms = self._runner.clock.now_ns() / 1e6
        self._runner.log.answered(entry.path, started, perf_counter(), now_ms, origin)
        return result

    def run(
        self,
        entry: Entry,
        arguments: dict[str, Any],
        snapshot: Snapshot,
        materialised: Materialised | None,
        origin: Origin,
        journal: str,
    ) -> Result:
        """The result of a query whose page is to end where an earlier one did: true for that one only, and not kept."""
        self._misses += 1
        return self._runner.query(entry, arguments, snapshot, materialised, origin, journal)

    def forget(self, versions: Iterable[int]) -> None:
        """Drop the results of function versions that nobody can call any more. Costs O(results)."""
        gone = set(versions)
        with self._lock:
            for key in [key for key in self._results if key[0] in gone]:
                self._nbytes -= self._results.pop(key)[1]

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._results.clear()
            self._nbytes = 0

    def statistics(self) -> CacheStatistics:
        """Sizes and counts."""
        return CacheStatistics(len(self._results), self._nbytes, self._hits, self._misses)

    def check(self) -> None:
        """Verify the bookkeeping. Raises `AssertionError`."""
        with self._lock:
            total = sum([nbytes for _, nbytes in self._results.values()])
            assert total == self._nbytes, f"the cache holds {total} bytes but counts {self._nbytes}"

    def _good(self, key: Key, snapshot: Snapshot) -> Result | None:
        kept = self._results.get(key)
        if kept is None or not self._is_good(kept[0], snapshot):
            return None
        with self._lock:
            # Moved to the end, where what was used last is.
            if self._results.pop(key, None) is not None:
                self._results[key] = kept
        return kept[0]

    def _is_of(self, result: Result, snapshot: Snapshot) -> bool:
        """Tell whether another caller's result is what a run of one's own would have given."""
        if result.ran is not None and not self._runner.registry.stands(result.ran):
            return False
        return result.timestamp == snapshot.timestamp and not result.reads_clock

    def _is_good(self, result: Result, snapshot: Snapshot) -> bool:
        if result.ran is not None and not self._runner.registry.stands(result.ran):
            return False
        good_until = result.valid_until
        if good_until == snapshot.timestamp:
            return True
        if result.catalog is not snapshot.catalog or snapshot.timestamp < result.timestamp:
            return False
        if snapshot.timestamp < good_until:
            return True
        commits = self._runner.database.commits_between(good_until, snapshot.timestamp)
        if commits is None or len(commits) > _FAR or result.read_set.conflict(commits) is not None:
            return False
        result.valid_until = snapshot.timestamp
        return True

    def _keep(self, key: Key, result: Result) -> None:
        nbytes = weigh(result.value)
        if nbytes > self._most_bytes // 2:
            return
        with self._lock:
            old = self._results.pop(key, None)
            if old is not None:
                self._nbytes -= old[1]
                if old[0].timestamp > result.timestamp:
                    result, nbytes = old
            self._results[key] = (result, nbytes)
            self._nbytes += nbytes
            while len(self._results) > self._most_entries or self._nbytes > self._most_bytes:
                oldest = next(iter(self._results))
                self._nbytes -= self._results.pop(oldest)[1]


def weigh(value: Any) -> int:
    """About how many bytes a value holds in memory. Of a long array or object a sample is weighed: never slow."""
    if isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, list):
        return 50 + len(value) if isinstance(value, (str, bytes)) else 50
    step = 1 if len(value) <= 4 * _SAMPLE else len(value) // _SAMPLE
    total = 0
    sample = value[::step]
    for item in sample:
        total += 50
        if type(item) is str:
            total += len(item)
        elif isinstance(item, (dict, list, bytes)):
            total += weigh(item)
    return 100 + (total if step == 1 else total * len(value) // len(sample))
