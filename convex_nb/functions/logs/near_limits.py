"""A warning in the log of a call that came close to a limit, before the next one fails."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from convex_nb.language.limits import UNLIMITED

if TYPE_CHECKING:
    from convex_nb.functions.execution import Execution
    from convex_nb.language.limits import Limits

NEAR: Final = 0.8
"""The share of a limit from which on it is near."""
_READ_LESS: Final = "Paginate, take fewer documents, or use an index with a narrower range."
_WRITE_LESS: Final = "Write in several mutations."
_KINDS: Final = (
    ("ranges_read", "read_ranges", "TooManyReads", "{used:,} reads of at most {limit:,}", _READ_LESS),
    (
        "documents_read",
        "read_documents",
        "TooManyDocumentsRead",
        "{used:,} documents read of at most {limit:,}",
        _READ_LESS,
    ),
    ("bytes_read", "read_bytes", "TooManyBytesRead", "{used:,} bytes read of at most {limit:,}", _READ_LESS),
    (
        "documents_written",
        "write_documents",
        "TooManyWrites",
        "{used:,} documents written of at most {limit:,}",
        _WRITE_LESS,
    ),
    ("bytes_written", "write_bytes", "TooManyBytesWritten", "{used:,} bytes written of at most {limit:,}", _WRITE_LESS),
    (
        "user_seconds",
        "query_seconds",
        "TooMuchTime",
        "{used:.2f} s computed of at most {limit:g}",
        "Compute in an action.",
    ),
)
"""The counter of `Usage`, its limit, the system's code for coming close to it, what is said, and what to do."""


class NearLimits:
    """Warns of what a call came close to. Knows the limits that there are, so that absent ones cost nothing."""

    def __init__(self, limits: Limits) -> None:
        self._watched = [
            (counter, NEAR * limit, limit, code, text, advice)
            for counter, name, code, text, advice in _KINDS
            if (limit := getattr(limits, name)) < (inf if name == "query_seconds" else UNLIMITED)
        ]

    def warn(self, execution: Execution) -> None:
        """Add a warning to the log of a query or mutation for each limit that it came close to."""
        assert execution.transaction is not None
        usage = execution.transaction.usage
        for counter, near, limit, code, text, advice in self._watched:
            used = getattr(usage, counter)
            if used > near:
                said = text.format(used=used, limit=limit)
                execution.write_line("WARN", f"Close to a limit: {said} in one call. {advice}", code=code)
