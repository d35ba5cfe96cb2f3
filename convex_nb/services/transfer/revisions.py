"""The versions of documents: which commit made which of what."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from convex_nb.engine.system_tables import is_system_table
from convex_nb.language.keys import MAX_KEY, MIN_KEY

if TYPE_CHECKING:
    from convex_nb.engine.commit import Commit
    from convex_nb.engine.database import Database
    from convex_nb.language.documents import Document

KEPT = "(before)"
"""The source of a version that is older than what is kept."""


class Revision(NamedTuple):
    """A document before and after a commit; ``None`` where it did not exist."""

    timestamp: int
    source: str
    """The path of the function that made it, or what else did."""
    table: str
    id: str
    old: Document | None
    new: Document | None


def revisions(database: Database, table: str | None, id: str | None, limit: int) -> list[Revision]:
    """The newest revisions of all documents, of a table's or of one document, newest first, as far as they are kept.

    Of one document the version that there was before comes last. Costs O(commits kept) in memory, and if those have
    fewer, O(commits kept) in the file.
    """
    with database.committer.reading_history():
        floor = database.history.floor
        recent = [commit for commit in database.history.since(floor) if commit.published]
    oldest = database.oldest
    found: list[Revision] = []
    for commit in reversed(recent):
        found += reversed(_last_revisions(database, commit, table, id, limit - len(found)))
        if len(found) >= limit:
            return found
    if oldest < floor:
        older: deque[Revision] = deque(maxlen=limit - len(found))
        for commit in takewhile(lambda each: each.timestamp <= floor, database.commits_after(oldest)):
            older += _last_revisions(database, commit, table, id, limit)
        found += reversed(older)
    if id is not None and table is not None and len(found) < limit:
        state = database.at(oldest).table(table)
        first = None if state is None else state.get(id)
        if first is not None:
            found.append(Revision(oldest, KEPT, table, id, None, first))
    return found


def _last_revisions(
    database: Database, commit: Commit, table: str | None, id: str | None, limit: int
) -> list[Revision]:
    if table is not None and table not in commit.tables:
        return []
    return list(_revisions_of(database, commit, table, id))[-limit:]


def _revisions_of(database: Database, commit: Commit, table: str | None, id: str | None) -> Iterator[Revision]:
    """What a commit changed, a document at a time; of a table that was put in another's place what was in it too."""

    def wanted(name: str) -> bool:
        return name == table if table is not None else not is_system_table(name)

    for name in filter(wanted, sorted(commit.replaced)):
        before = database.at(commit.timestamp - 1).table(name)
        for document in [] if before is None else before.read(1, MIN_KEY, MAX_KEY, None, False):
            if id in (None, document["_id"]):
                yield Revision(commit.timestamp, commit.source, name, document["_id"], document, None)
    for name, part in commit.parts:
        if wanted(name):
            rows = range(part.segment.num_rows) if id is None else [part.segment.find(id)]
            for row in rows:
                if row >= 0:
                    new = part.segment.document(row)
                    yield Revision(commit.timestamp, commit.source, name, new["_id"], None, new)
    for write in commit.writes:
        if wanted(write.table) and id in (None, write.id):
            yield Revision(commit.timestamp, commit.source, write.table, write.id, write.old, write.new)
