"""What one execution has read and written so far, held against the limits."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING

from convex_nb.language.errors import LimitError
from convex_nb.language.limits import UNLIMITED
from convex_nb.language.values import size_of

if TYPE_CHECKING:
    from convex_nb.language.documents import Document
    from convex_nb.language.limits import Limits

_ADVICE = (
    "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a "
    "selective index range."
)


class Usage:
    """Counters of one transaction; sub-transactions count into the same.

    Sizes are computed only where a limit wants them: `size_of` costs more than the read itself. `first_read` and
    `first_written` are what they are guessed by where none does. `user_seconds` is how long user code has computed,
    the database's own time not counted; each of its calls is where that is held against the limit.
    """

    __slots__ = (
        "_inside",
        "_since",
        "bytes_read",
        "bytes_written",
        "documents_read",
        "documents_written",
        "first_read",
        "first_written",
        "limits",
        "ranges_read",
        "sizes_reads",
        "sizes_writes",
        "user_seconds",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.ranges_read = 0
        self.documents_read = 0
        self.bytes_read = 0
        self.documents_written = 0
        self.bytes_written = 0
        self.first_read: Document | None = None
        self.first_written: Document | None = None
        self.user_seconds = 0.0
        # When user code began or went on, if its time counts; and whether it has called the database since.
        self._since: float | None = None
        self._inside = False
        self.sizes_reads = limits.read_bytes < UNLIMITED
        self.sizes_writes = limits.write_bytes < UNLIMITED

    def __repr__(self) -> str:
        return (
            f"Usage({self.documents_read} documents read in {self.ranges_read} ranges, "
            f"{self.documents_written} documents written)"
        )

    def start_clock(self) -> float:
        """User code begins, and its time counts from now on, unless nothing limits it. Returns now, in seconds."""
        now = perf_counter()
        if self.limits.query_seconds < inf:
            self._since = now
        return now

    def enter(self) -> float:
        """User code calls the database, or has ended. Raises `LimitError` if it took too long. Returns now."""
        now = perf_counter()
        if self._since is not None:
            self.user_seconds += now - self._since
            self._since = now
            self._inside = True
            if self.user_seconds > self.limits.query_seconds:
                raise _too_long(self.limits.query_seconds, self.user_seconds)
        return now

    def _leave(self) -> None:
        if not self._inside:
            # One more document of an iteration, between two of which it was user code's turn.
            self.enter()
        self._since = perf_counter()
        self._inside = False

    def add_range(self) -> None:
        """One more `get` or index range. Raises `LimitError`."""
        if self._since is not None:
            self.enter()
        self.ranges_read += 1
        if self.ranges_read > self.limits.read_ranges:
            raise _exceeded("reads", self.limits.read_ranges, self.ranges_read, _ADVICE)

    def add_read(self, documents: Iterable[Document], number: int) -> None:
        """`number` more documents read. Raises `LimitError`."""
        self.documents_read += number
        if self.documents_read > self.limits.read_documents:
            raise _exceeded("documents read", self.limits.read_documents, self.documents_read, _ADVICE)
        if self.first_read is None:
            self.first_read = next(iter(documents), None)
        if self.sizes_reads:
            self.bytes_read += sum([size_of(document) for document in documents])
            if self.bytes_read > self.limits.read_bytes:
                raise _exceeded("bytes read", self.limits.read_bytes, self.bytes_read, _ADVICE)
        if self._since is not None:
            self._leave()

    def add_write(self, document: Document | None) -> None:
        """One more write. Raises `LimitError`."""
        self.documents_written += 1
        if self.documents_written > self.limits.write_documents:
            raise _exceeded(
                "writes", self.limits.write_documents, self.documents_written, "Write in several mutations."
            )
        if self.first_written is None:
            self.first_written = document
        if self.sizes_writes and document is not None:
            self.bytes_written += size_of(document)
            if self.bytes_written > self.limits.write_bytes:
                raise _exceeded(
                    "bytes written", self.limits.write_bytes, self.bytes_written, "Write in several mutations."
                )
        if self._since is not None:
            self._leave()

    def add_rows(self, number: int, nbytes: int) -> None:
        """`number` more documents written at once, of so many bytes in all. Raises `LimitError`."""
        self.documents_written += number
        if self.documents_written > self.limits.write_documents:
            raise _exceeded(
                "writes", self.limits.write_documents, self.documents_written, "Write in several mutations."
            )
        if self.sizes_writes:
            self.bytes_written += nbytes
            if self.bytes_written > self.limits.write_bytes:
                raise _exceeded(
                    "bytes written", self.limits.write_bytes, self.bytes_written, "Write in several mutations."
                )
        if self._since is not None:
            self._leave()

    def first_sizes(self) -> tuple[int, int]:
        """The bytes of the first document read, and of the first one written; 0 where there was none."""
        read = 0 if self.first_read is None else size_of(self.first_read)
        return read, 0 if self.first_written is None else size_of(self.first_written)

    def figures(self, sizes: tuple[int, int]) -> tuple[int, int, int, int, int]:
        """Documents read and written, bytes read and written, ranges read.

        Bytes that no limit counts are guessed: as if all documents were of these sizes.
        """
        bytes_read = self.bytes_read if self.sizes_reads else sizes[0] * self.documents_read
        bytes_written = self.bytes_written if self.sizes_writes else sizes[1] * self.documents_written
        return self.documents_read, self.documents_written, bytes_read, bytes_written, self.ranges_read

    def documents_left(self) -> int:
        """How many more documents may be read."""
        return self.limits.read_documents - self.documents_read


def _too_long(limit: float, used: float) -> LimitError:
    return LimitError(
        f"The function computed for {used:.1f} s, the database's own time not counted; a query or mutation may take "
        f"{limit:g} s. Nothing was written. Compute in an action or in a cell and pass the result, or do less at once.",
        kind="query_seconds",
        limit=limit,
        used=used,
    )


def _exceeded(what: str, limit: int, used: int, advice: str) -> LimitError:
    unit = " bytes" if what.startswith("bytes") else ""
    return LimitError(
        f"Too many {what} in a single function execution (limit: {limit}{unit}). Nothing was written. {advice}",
        kind=what.replace(" ", "_"),
        limit=limit,
        used=used,
    )
