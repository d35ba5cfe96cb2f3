"""Deleting the bytes that no file has any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from convex_nb.engine.namespaces import tables_called
from convex_nb.engine.table_index import BY_CREATION_TIME
from convex_nb.language.errors import DeploymentClosedError, StorageCorruptError, StorageError
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key, successor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from convex_nb.engine.commit import Commit
    from convex_nb.engine.database import Database
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.table import TableState

FILES: Final = "_files"
"""The table whose documents have the numbers: `file`, the id of the file's public document; `number`; `token`."""


class Collection:
    """Bytes go when no file has had them for as long as `retention`; what nobody ever committed goes at once.

    What a former process has left counts from the moment when it is found. One thread at a time takes steps.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        # When the last file with a number was deleted: 0 where none ever had it.
        self._waiting: dict[int, int] = {}
        self._guessed: set[int] = set()
        self._deleting: list[int] = []
        self._listed_upto: int | None = None
        self._is_listed = False

    def committed(self, commit: Commit) -> None:
        """Note what a commit has let go of."""
        if tables_called(FILES, commit.indexes):
            self._database.files.suspect.extend([(number, commit.timestamp) for number in let_go(commit)])

    def step(self) -> bool:
        """Delete some; whether there was something to do."""
        try:
            if not self._is_listed and self._list():
                return True
            if not self._deleting:
                self._find()
            if not self._deleting:
                return False
            if self._database.files.chunks.delete(self._deleting[-1]):
                self._deleting.pop()
        except (StorageError, StorageCorruptError, DeploymentClosedError):
            # The log's own upkeep says what is wrong with the disk.
            return False
        return True

    def _list(self) -> bool:
        """Look at some of the numbers that a former process has left; whether there were any."""
        numbers = self._database.files.chunks.numbers(self._listed_upto)
        for number in numbers:
            self._listed_upto = number
            if not has_number(self._database, number):
                # When it was deleted is not known: not later than now.
                self._waiting[number] = self._database.clock.now_ns()
                self._guessed.add(number)
        self._is_listed = not numbers
        return not self._is_listed

    def _find(self) -> None:
        database = self._database
        files = database.files
        limit = database.clock.now_ns() - database.history.retention
        if not files.suspect and min(self._waiting.values(), default=limit + 1) > limit:
            return
        while files.suspect:
            number, timestamp = files.suspect.popleft()
            known = 0 if number in self._guessed else self._waiting.get(number, 0)
            self._guessed.discard(number)
            self._waiting[number] = max(timestamp, known)
        with files.lock:
            # One on its way is suspect again when it has arrived.
            staged = set(files.staged)
        for number, timestamp in list(self._waiting.items()):
            if timestamp > limit or any(_has_or_had(copy, number) for copy in files.copies):
                continue
            del self._waiting[number]
            if number not in staged and not has_number(database, number):
                self._deleting.append(number)


def has_number(database: Database, number: int) -> bool:
    """Whether a file of the newest snapshot has the bytes of this number."""
    key = encode_key(number)
    tables = file_tables(database.head)
    return any(state.count(state.position("by_number"), key, successor(key)) > 0 for state in tables)


def _has_or_had(database: Database, number: int) -> bool:
    return has_number(database, number) or number in past_numbers(database)


def let_go(commit: Commit) -> Iterator[int]:
    """The numbers of the files that a commit has deleted."""
    tables = tables_called(FILES, commit.indexes)
    if tables:
        for write in commit.writes:
            if write.table in tables and write.old is not None:
                yield write.old["number"]


def let_go_in(commits: Iterable[Commit]) -> set[int]:
    """The numbers of the files that these commits have deleted."""
    return {number for commit in commits for number in let_go(commit)}


def past_numbers(database: Database) -> set[int]:
    """The numbers of the files that were deleted in commits that are in memory. Costs O(commits)."""
    with database.committer.reading_history():
        commits = database.history.since(0)
    return let_go_in(commits)


def numbers_in(snapshot: Snapshot) -> set[int]:
    """The numbers of all files of a snapshot. Costs O(files)."""
    return {
        document["number"]
        for state in file_tables(snapshot)
        for document in state.scan(state.position(BY_CREATION_TIME), MIN_KEY, MAX_KEY, reverse=False)
    }


def file_tables(snapshot: Snapshot) -> list[TableState]:
    """The tables that have the numbers: the application's, and those of components."""
    return [snapshot.tables[name] for name in tables_called(FILES, snapshot.tables)]
