"""The change feed of a deployment: pages in the wire's shape, changes one by one, and as a frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from convex_nb.deployment.data.past import When, timestamp_of
from convex_nb.deployment.foundation import Foundation
from convex_nb.services.transfer import change_feed
from convex_nb.services.transfer.change_feed import PAGE
from convex_nb.services.transfer.revisions import Revision, revisions

if TYPE_CHECKING:
    import pandas

_FIRST_COLUMNS: Final = ("_ts", "_table", "_id", "_deleted")


class Feed(Foundation):
    """What somebody asks who keeps a copy of the documents elsewhere."""

    def list_snapshot(
        self,
        snapshot: int | None = None,
        cursor: str | None = None,
        *,
        table_name: str | None = None,
        page_size: int = PAGE,
    ) -> dict[str, Any]:
        """A page of all documents as of one commit (default: the newest): `values`, `hasMore`, `snapshot`, `cursor`.

        Pass `snapshot` and `cursor` of a page to get the next. Each document has `_table` and `_ts`, the snapshot.
        `document_deltas(snapshot)` goes on from there. Raises `HistoryError` for a moment that is not kept any more.
        """
        self._check_open()
        return change_feed.list_snapshot(self._database, snapshot, cursor, table_name, page_size)

    def document_deltas(self, cursor: int, *, table_name: str | None = None, page_size: int = PAGE) -> dict[str, Any]:
        """The changes after a commit, in order: `values`, `hasMore`, and the `cursor` to go on from.

        Each is a document with `_ts`, its commit, and `_table`; or `_deleted`. All changes of a commit are in one page.
        Raises `HistoryError` where the commits after `cursor` are not all kept any more.
        """
        self._check_open()
        return change_feed.document_deltas(self._database, cursor, table_name, page_size)

    def iter_changes(self, since: When, *, table_name: str | None = None) -> Iterator[dict[str, Any]]:
        """The changes of `document_deltas`, one by one, up to the newest commit; a page of them in memory."""
        self._check_open()
        return change_feed.changes(self._database, timestamp_of(since, self._database.clock.now_ns()), table_name)

    def changes(self, since: When, *, table_name: str | None = None) -> pandas.DataFrame:
        """The changes since a commit, a datetime, or so long ago, as a DataFrame: a row for each revision, in order.

        `_ts` is the commit, `_deleted` whether the document is gone; a field that a revision lacks is missing.
        """
        import pandas

        rows = list(self.iter_changes(since, table_name=table_name))
        frame = pandas.DataFrame([{"_deleted": False, **row} for row in rows])
        first = [name for name in _FIRST_COLUMNS if name in frame.columns or not rows]
        return frame.reindex(columns=[*first, *(name for name in frame.columns if name not in first)])

    def revisions(self, table: str | None = None, id: str | None = None, *, limit: int = 100) -> list[Revision]:
        """The newest revisions of all documents, of a table's, or of one document; newest first, as far as kept.

        Each says which commit and which function made it, and the document before and after. Raises `InvalidIdError`
        for what is no id of the table.
        """
        self._check_open()
        if id is not None:
            table = self._database.register.table_of(id, "get", table)
        return revisions(self._database, table, id, limit)
