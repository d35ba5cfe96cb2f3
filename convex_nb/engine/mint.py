"""What a new document is given: an id, and a creation time greater than every earlier one."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

from convex_nb.language.ids_columnar import DAY_MS, new_ids
from convex_nb.language.values import Id

_IDS_AHEAD = 128


class Mint:
    """The ids and creation times of one database. May be used from any thread."""

    def __init__(
        self, now_ns: Callable[[], int], random_bytes: Callable[[int], bytes], last_creation_time: float
    ) -> None:
        self.last_creation_time = last_creation_time
        """The greatest ``_creationTime`` given out so far."""
        self._now_ns = now_ns
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._ahead: dict[tuple[int, float], list[str]] = {}

    def identity(self, table_number: int, table: str) -> tuple[Id, float]:
        """The ``_id`` and the ``_creationTime`` of a new document."""
        time = self.creation_time()
        key = table_number, time // DAY_MS
        try:
            text = self._ahead[key].pop()
        except (KeyError, IndexError):
            # Many at once cost a third each, and one call for their random bytes.
            ids = self._ahead[key] = new_ids(table_number, time, self._random_bytes, _IDS_AHEAD).to_pylist()
            text = ids.pop()
        return Id(text, table), time

    def creation_time(self) -> float:
        """A ``_creationTime``: milliseconds, greater than every one given out before."""
        with self._lock:
            now = self._now_ns() / 1e6
            last = self.last_creation_time
            if now <= last:
                now = math.nextafter(last, math.inf)
            self.last_creation_time = now
            return now

    def creation_times(self, number: int) -> float:
        """Reserve ``number`` consecutive representable creation times; the first of them."""
        with self._lock:
            first = max(self._now_ns() / 1e6, math.nextafter(self.last_creation_time, math.inf))
            # From one power of two to the next the doubles are evenly spaced; the next one is decades away.
            self.last_creation_time = first + number * math.ulp(first)
            return first

    def creation_time_passed(self, time: float) -> None:
        """Give out only creation times after ``time``."""
        with self._lock:
            self.last_creation_time = max(self.last_creation_time, time)
