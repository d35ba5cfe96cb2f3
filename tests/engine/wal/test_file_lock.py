"""One writer at a time, whatever happens to it."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from convex_nb.engine.wal import file_lock
from convex_nb.engine.wal.file_lock import FileLock
from convex_nb.language.errors import DeploymentLockedError, StorageError

HOLD = """
import sys
from pathlib import Path
from convex_nb.engine.wal.file_lock import FileLock
lock = FileLock.acquire(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """A process that has the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_the_second_one_is_told_who_is_first(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    process = hold(path)
    with pytest.raises(DeploymentLockedError) as caught:
        FileLock.acquire(path)
    end(process)
    error = caught.value
    assert error.process_id == process.pid
    assert error.path == str(path)
    assert error.holder is not None
    assert f"process {process.pid} on {socket.gethostname()} since 20" in error.holder
    assert error.holder in str(error)
    assert "read_only=True" in str(error)


def test_this_process_is_told_that_it_is_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    lock = FileLock.acquire(path)
    assert FileLock.held_here(path)
    with pytest.raises(DeploymentLockedError, match=f"this process .{os.getpid()}. since .*`close..` it first"):
        FileLock.acquire(path)
    lock.release()
    lock.release()
    assert not FileLock.held_here(path)
    assert list(tmp_path.iterdir()) == []
    FileLock.acquire(path).release()


def test_a_disk_without_room_for_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(handle: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "a.convex"
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write)
        lock = FileLock.acquire(path)
    with pytest.raises(DeploymentLockedError, match="in use by another process,"):
        FileLock.acquire(path)
    lock.release()
    FileLock.acquire(path).release()


def test_a_disk_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> bool:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    with monkeypatch.context() as patch:
        patch.setattr(file_lock, "_lock", refuse)
        with pytest.raises(StorageError, match="No locks available"):
            FileLock.acquire(tmp_path / "a.convex")
    FileLock.acquire(tmp_path / "a.convex").release()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    process = hold(path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / "a.convex-lock").exists()
    lock = FileLock.acquire(path)
    assert json.loads((tmp_path / "a.convex-lock").read_bytes())["process"] == os.getpid()
    lock.release()


def test_a_lock_that_nobody_refers_to_is_given_back(tmp_path: Path) -> None:
    lock = FileLock.acquire(tmp_path / "a.convex")
    del lock
    FileLock.acquire(tmp_path / "a.convex").release()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks")
def test_a_forked_child_neither_has_the_lock_nor_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    lock = FileLock.acquire(path)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(writer)
        held = FileLock.held_here(path)
        lock.release()
        os.read(reader, 1)
        os._exit(1 if held else 0)
    os.close(reader)
    process = subprocess.run([sys.executable, "-c", HOLD, str(path)], input="", capture_output=True, text=True)
    assert "DeploymentLockedError" in process.stderr
    lock.release()
    # The child is still alive.
    FileLock.acquire(path).release()
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_folder_that_cannot_hold_a_lock(tmp_path: Path) -> None:
    (tmp_path / "a.convex-lock").mkdir()
    with pytest.raises(StorageError, match="lock 'a\\.convex-lock' cannot be made"):
        FileLock.acquire(tmp_path / "a.convex")


def test_a_lock_file_that_vanished_between_opening_and_locking_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open
    left = [3]

    def vanishing(path: str, *rest: int) -> int:
        handle = opened(path, *rest)
        if left[0]:
            left[0] -= 1
            Path(path).unlink()
        return handle

    monkeypatch.setattr(os, "open", vanishing)
    lock = FileLock.acquire(tmp_path / "a.convex")
    assert left == [0]
    assert (tmp_path / "a.convex-lock").exists()
    lock.release()
