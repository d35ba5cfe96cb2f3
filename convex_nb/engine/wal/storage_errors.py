"""What is wrong with a file, in the words and classes of this package."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from convex_nb.language.errors import ConvexNbError, DeploymentClosedError, StorageCorruptError, StorageError

_REASONS: Final = {
    sqlite3.SQLITE_FULL: "there is no room on the disk",
    sqlite3.SQLITE_IOERR: "the disk reports an error, or there is no room on it",
    sqlite3.SQLITE_READONLY: "the file cannot be written",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PERM: "access is not permitted",
    sqlite3.SQLITE_BUSY: "another program is using the file",
    sqlite3.SQLITE_LOCKED: "another program is using the file",
}


class DamagedError(Exception):
    """Bytes of a file do not verify: ``what`` says which, ``table`` whose they are, where that is known."""

    def __init__(self, what: str, table: str | None = None) -> None:
        super().__init__(what, table)
        self.what = what
        self.table = table


@contextmanager
def of_table(name: str) -> Iterator[None]:
    """What turns out to be damaged belongs to this table."""
    try:
        yield
    except DamagedError as error:
        raise DamagedError(error.what, error.table or name) from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What SQLite finds wrong while it reads is a `DamagedError`, unless the disk is to blame."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise DeploymentClosedError(f"{path} was closed while it was read.") from None
    except UnicodeDecodeError:
        # SQLite quotes what it finds in a damaged page, and Python cannot read that.
        raise DamagedError("SQLite's structure") from None
    except sqlite3.Error as error:
        reason = _reason(error)
        if reason is None:
            raise DamagedError(f"SQLite's structure ({error})") from None
        raise StorageError(
            f"Could not read {path}: {reason} (SQLite says: {error}). Nothing was opened, and nothing was changed.",
            path=str(path),
        ) from None


@contextmanager
def writing(path: Path, purpose: str) -> Iterator[None]:
    """What SQLite cannot do is said in words; ``purpose`` ends "could not ..."."""
    try:
        yield
    except sqlite3.Error as error:
        reason = _reason(error)
        if reason is not None:
            raise _refusal(error, path, purpose, reason) from None
        if error.sqlite_errorcode in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _refusal(error, path, purpose, "the file is damaged", StorageCorruptError) from None
        raise


def _reason(error: sqlite3.Error) -> str | None:
    code = getattr(error, "sqlite_errorcode", 0)
    return None if code == sqlite3.SQLITE_IOERR_SHORT_READ else _REASONS.get(code & 0xFF)


def _refusal(
    error: sqlite3.Error,
    path: Path,
    purpose: str,
    reason: str,
    kind: type[StorageError] | type[StorageCorruptError] = StorageError,
) -> ConvexNbError:
    no_room = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
    later = "When there is room, it can be written again. " if no_room else ""
    return kind(
        f"Could not {purpose}: {reason} ({path}; SQLite says: {error}). Nothing was written. {later}What is in memory "
        "can still be read, and `save(path)` writes it to a new file.",
        path=str(path),
    )


@contextmanager
def refusing_damage(path: Path) -> Iterator[None]:
    """What is damaged is reported to the user, with what to do about it."""
    try:
        yield
    except DamagedError as error:
        raise corrupt(path, error.what, error.table) from None


def damaged_past(path: Path | str, what: str) -> StorageCorruptError:
    """The error for damage in what a file keeps of the past: the present was verified when it was opened."""
    return StorageCorruptError(
        f"What {path} keeps of the past is damaged: {what} does not verify. Nothing was changed, and the documents of "
        "now are whole: `save(path)` or `backup(path)` writes them to a new file, whose past begins then.",
        path=str(path),
    )


def corrupt(path: Path, what: str, table: str | None = None) -> StorageCorruptError:
    """The error for damage that was found: what is damaged, and what to do."""
    where = "" if table is None else f", of the table {table!r}"
    return StorageCorruptError(
        f"{path} is damaged: {what}{where} does not verify. Nothing of the file was opened, and nothing was changed. "
        f'`convex_nb.repair("{path.name}", "repaired.convex")` saves everything that does verify to a new file, and '
        "says what is lost. A backup may have more.",
        path=str(path),
        table=table,
    )
