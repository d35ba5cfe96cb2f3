"""What changed, commit by commit: a snapshot in pages, and from there every revision of every document in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from convex_nb.engine.system_tables import is_system_table
from convex_nb.language.errors import HistoryError, InvalidCursorError, InvalidValueError
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.database import Database
    from convex_nb.engine.table import TableState

PAGE: Final = 1024
"""So many documents a page has, unless a commit changed more: none is ever split."""


def list_snapshot(
    database: Database, snapshot: int | None, cursor: str | None, table_name: str | None, page_size: int
) -> dict[str, Any]:
    """A page of all documents as of one commit: `values`, `hasMore`, `snapshot` and `cursor`.

    Raises `HistoryError` for a moment that is not kept, and `InvalidCursorError`.
    """
    _check_page_size(page_size)
    state = database.head if snapshot is None else database.at(_checked_moment(snapshot))
    moment = state.timestamp if snapshot is None else snapshot
    tables = [name for name in sorted(state.tables) if not is_system_table(name) and table_name in (None, name)]
    first, lo = _decode_cursor(cursor, moment)
    values: list[dict[str, Any]] = []
    for table in tables:
        if table < first:
            continue
        rest = page_size - len(values)
        documents = state.tables[table].read(1, lo if table == first else MIN_KEY, MAX_KEY, rest, reverse=False)
        values += [{**document, "_ts": moment, "_table": table} for document in documents]
        if len(documents) == rest:
            after = state.tables[table].indexes[1].key_of(documents[-1]) + b"\x00"
            return {
                "values": values,
                "hasMore": True,
                "snapshot": moment,
                "cursor": json.dumps([moment, table, after.hex()]),
            }
    return {"values": values, "hasMore": False, "snapshot": moment, "cursor": None}


def _decode_cursor(cursor: str | None, moment: int) -> tuple[str, bytes]:
    if cursor is None:
        return "", MIN_KEY
    try:
        made_at, table, after = json.loads(cursor)
        lo = bytes.fromhex(after)
    except (ValueError, TypeError):
        raise InvalidCursorError(f"{cursor!r:.80} is no cursor of `list_snapshot`. Begin without one.") from None
    if made_at != moment:
        raise InvalidCursorError(
            f"This cursor goes on in the snapshot {made_at}, not in {moment}: pass the `snapshot` of the page before."
        )
    return str(table), lo


def document_deltas(database: Database, cursor: int, table_name: str | None, page_size: int) -> dict[str, Any]:
    """The changes after a commit: `values` in the order in which they were made, `hasMore`, and the next `cursor`.

    A deleted document is `{"_id", "_ts", "_table", "_deleted": True}`. A commit is never split between two pages.
    Raises `HistoryError` where the commits after `cursor` are not all kept.
    """
    _check_page_size(page_size)
    commits = _commits_after(database, _checked_moment(cursor))
    values: list[dict[str, Any]] = []
    for commit in commits:
        values += [change for change in _changes_of(database, commit) if table_name in (None, change["_table"])]
        cursor = commit.timestamp
        if len(values) >= page_size:
            return {"values": values, "hasMore": next(commits, None) is not None, "cursor": cursor}
    return {"values": values, "hasMore": False, "cursor": cursor}


def _commits_after(database: Database, cursor: int) -> Iterator[Commit]:
    try:
        return database.commits_after(cursor)
    except HistoryError as error:
        oldest, why = error.oldest, str(error)
    first = database.at(oldest)
    if not first.tables and not first.dropped:
        # There was nothing before.
        return database.commits_after(oldest)
    raise HistoryError(
        f"{why} Begin anew with `list_snapshot()`; the oldest cursor to read from is {oldest}.",
        timestamp=cursor,
        oldest=oldest,
    )


def changes(database: Database, cursor: int, table_name: str | None = None) -> Iterator[dict[str, Any]]:
    """Every change after a commit up to now, one after another, a page in memory. Raises `HistoryError`."""
    while True:
        page = document_deltas(database, cursor, table_name, PAGE)
        yield from page["values"]
        if not page["hasMore"]:
            return
        cursor = page["cursor"]


def _changes_of(database: Database, commit: Commit) -> Iterator[dict[str, Any]]:
    for table in sorted(commit.replaced):
        if not is_system_table(table):
            # What an import put in the place of a table is told as if each of its documents had been deleted.
            before = database.at(commit.timestamp - 1).table(table)
            for id in _ids(before):
                yield _deletion(table, id, commit.timestamp)
    for table, part in commit.parts:
        if not is_system_table(table):
            for row in range(part.segment.num_rows):
                yield {**part.segment.document(row), "_ts": commit.timestamp, "_table": table}
    for write in commit.writes:
        if not is_system_table(write.table):
            if write.new is None:
                yield _deletion(write.table, write.id, commit.timestamp)
            else:
                yield {**write.new, "_ts": commit.timestamp, "_table": write.table}


def _ids(state: TableState | None) -> list[str]:
    return [] if state is None else [document["_id"] for document in state.read(1, MIN_KEY, MAX_KEY, None, False)]


def _deletion(table: str, id: str, timestamp: int) -> dict[str, Any]:
    return {"_id": id, "_ts": timestamp, "_table": table, "_deleted": True}


def _checked_moment(moment: object) -> int:
    if type(moment) is not int:
        raise InvalidValueError(
            f"A snapshot, or a cursor of deltas, is a commit timestamp, like `dep.timestamp`, not {moment!r:.80}.",
            value=moment,
        )
    return moment


def _check_page_size(page_size: object) -> None:
    if type(page_size) is not int or page_size < 1:
        raise InvalidValueError(f"page_size is a whole number from 1 on, not {page_size!r:.80}.", value=page_size)
