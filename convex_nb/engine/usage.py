"""What one execution has read and written so far, held against the limits."""

from __future__ import annotations

from collections.abc import Iterable
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
    `first_written` are what they are guessed by where none does.
    """

    __slots__ = (
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
        self.sizes_reads = limits.read_bytes < UNLIMITED
        self.sizes_writes = limits.write_bytes < UNLIMITED

    def __repr__(self) -> str:
        return (
            f"Usage({self.documents_read} documents read in {self.ranges_read} ranges, "
            f"{self.documents_written} documents written)"
        )

    def add_range(self) -> None:
        """One more `get` or index range. Raises `LimitError`."""
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

    def figures(self) -> tuple[int, int, int, int, int]:
        """Documents read and written, bytes read and written, ranges read.

        Bytes that no limit counts are guessed: as if all documents were as large as the first.
        """
        bytes_read, bytes_written = self.bytes_read, self.bytes_written
        if not self.sizes_reads and self.first_read is not None:
            bytes_read = size_of(self.first_read) * self.documents_read
        if not self.sizes_writes and self.first_written is not None:
            bytes_written = size_of(self.first_written) * self.documents_written
        return self.documents_read, self.documents_written, bytes_read, bytes_written, self.ranges_read

    def documents_left(self) -> int:
        """How many more documents may be read."""
        return self.limits.read_documents - self.documents_read


def _exceeded(what: str, limit: int, used: int, advice: str) -> LimitError:
    return LimitError(
        f"Too many {what} in a single function execution (limit: {limit}). Nothing was written. {advice}",
        kind=what.replace(" ", "_"),
        limit=limit,
        used=used,
    )
