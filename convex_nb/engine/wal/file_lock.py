"""One process at a time may write a durable file: a lock that the kernel gives back when that process dies."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
import weakref
from datetime import UTC, datetime
from pathlib import Path

from convex_nb.language.errors import DeploymentLockedError, StorageError

_HOLDER_BYTES = 4096
_BEYOND = 1 << 30
"""The byte that Windows locks, past the holder's record, which others must be able to read there."""


class FileLock:
    """The right to write the durable file ``path``, until ``release`` or the end of the process.

    It is the kernel's lock on a file beside it, in which the holder says who it is. A forked child does not hold it.
    """

    def __init__(self, path: Path, handle: int) -> None:
        """Of a handle that has the lock; ``acquire`` is the way to get one."""
        self.path = path
        self._handle = handle
        self._release = weakref.finalize(self, _release, path, handle)
        _held.add(self)

    @classmethod
    def acquire(cls, path: Path) -> FileLock:
        """Take the lock. Raises ``DeploymentLockedError`` naming who has it, or ``StorageError``."""
        beside = _beside(path)
        while True:
            try:
                handle = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise StorageError(
                    f"{path} cannot be opened for writing: its lock {beside.name!r} cannot be made "
                    f"({error.strerror}). Nothing was changed. Open it with `read_only=True`, or make the folder "
                    "writable.",
                    path=str(path),
                ) from None
            try:
                if not _lock(handle):
                    raise _locked(path, handle)
                if _is_at(handle, beside):
                    break
            except OSError as error:
                os.close(handle)
                raise StorageError(
                    f"{path} cannot be opened for writing: its lock {beside.name!r} cannot be taken "
                    f"({error.strerror}). Nothing was changed. Move it to a disk that has locks, or open it with "
                    "`read_only=True`.",
                    path=str(path),
                ) from None
            except DeploymentLockedError:
                os.close(handle)
                raise
            # The last holder removed the file between our opening and our locking it.
            os.close(handle)
        # Where the disk has no room for it the name is missing, and the lock holds all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(handle, 0)
            os.write(handle, _holder())
        return cls(path, handle)

    @staticmethod
    def held_here(path: Path) -> bool:
        """Whether this process has the lock of ``path``."""
        return any(lock.path == path for lock in _held)

    def release(self) -> None:
        """Give the lock back. Twice is fine."""
        _held.discard(self)
        self._release()

    def leave(self) -> None:
        """In a forked child: let go of the parent's lock, which stays locked."""
        if self._release.detach() is not None:
            os.close(self._handle)


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}-lock")


def _release(path: Path, handle: int) -> None:
    # Removed while it is locked, so that nobody can lock a file that is about to vanish. Windows refuses.
    with contextlib.suppress(OSError):
        _beside(path).unlink()
    os.close(handle)


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _holder() -> bytes:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps({"host": socket.gethostname(), "process": os.getpid(), "since": since}).encode()


def _locked(path: Path, handle: int) -> DeploymentLockedError:
    record: dict[str, object] = {}
    for _ in range(20):
        # Whoever has just taken the lock is about to write its name.
        with contextlib.suppress(ValueError, OSError):
            record = json.loads(_read(handle))
            break
        time.sleep(0.005)
    process = record.get("process")
    advice = "Close it there, or open it with `read_only=True`."
    if process == os.getpid() and record.get("host") == socket.gethostname():
        holder = f"this process ({process}) since {record.get('since')}"
        advice = "Go on with that deployment, or `close()` it first; `read_only=True` looks at the file beside it."
    elif record:
        holder = f"process {process} on {record.get('host')} since {record.get('since')}"
    else:
        holder = "another process"
    return DeploymentLockedError(
        f"{path} is in use by {holder}, and one process at a time can write it. Nothing was opened. {advice}",
        path=str(path),
        holder=holder,
        process_id=process if isinstance(process, int) else None,
    )


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> bool:
        os.lseek(handle, _BEYOND, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        os.lseek(handle, 0, os.SEEK_SET)
        return True

    def _read(handle: int) -> bytes:
        os.lseek(handle, 0, os.SEEK_SET)
        return os.read(handle, _HOLDER_BYTES)

else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _read(handle: int) -> bytes:
        return os.pread(handle, _HOLDER_BYTES, 0)


def _forked() -> None:
    for lock in list(_held):
        lock.leave()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
