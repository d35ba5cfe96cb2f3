"""`dep.files`."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

import convex_nb
from convex_nb import Deployment, DeploymentClosedError, DocumentNotFoundError, HistoryError, InvalidIdError
from convex_nb.testing import VirtualClock


def kept(dep: Deployment) -> int:
    """How many contents are kept once all that is due was deleted, by this thread or the deployment's own."""
    database = dep._database
    while database.maintain(10) or database.files.suspect or not database._maintaining.acquire(blocking=False):
        pass
    database._maintaining.release()
    return len(database.files.chunks.numbers(None))


def test_a_mapping_in_the_order_of_storing() -> None:
    with convex_nb.open() as dep:
        files = dep.files
        assert (dict(files), len(files), repr(files), files._repr_html_()) == ({}, 0, "no files", "<p>no files</p>")
        ids = [files.store(text.encode(), content_type="text/plain") for text in "cab"]
        assert list(files) == ids
        assert [file.text() for file in files.values()] == ["c", "a", "b"]
        assert ids[0] in files
        assert "x" not in files
        files.delete(ids[1])
        assert list(files) == [ids[0], ids[2]]
        with pytest.raises(KeyError, match="has been deleted"):
            files[ids[1]]
        with pytest.raises(KeyError, match="expected the id of a file"):
            files["x"]
        with pytest.raises(DocumentNotFoundError):
            files.delete(ids[1])
        with pytest.raises(InvalidIdError):
            files.delete("x")
    with pytest.raises(DeploymentClosedError):
        files.store(b"")


def test_what_it_shows_is_escaped_and_short() -> None:
    with convex_nb.open() as dep:
        for number in range(23):
            dep.files.store(str(number).encode() * 1000, content_type="text/<b>")
        assert "&lt;b&gt;" in dep.files._repr_html_()
        assert "<b>" not in dep.files._repr_html_()
        assert repr(dep.files).endswith("and 3 more; all: .df()")
        frame = dep.files.df()
        assert list(frame.columns) == ["id", "content_type", "size", "sha256", "stored"]
        assert len(frame) == 23
        assert frame["size"].tolist() == [1000] * 10 + [2000] * 13
        assert str(frame["stored"].dtype).startswith("datetime64")


def test_a_file_is_written_out(tmp_path: Path) -> None:
    data = b"abc" * 500_000
    with convex_nb.open() as dep:
        file = dep.files[dep.files.store(data)]
        assert file.save(tmp_path / "out.bin").read_bytes() == data
        with pytest.raises(convex_nb.StorageError):
            file.save(tmp_path / "absent" / "out.bin")
        assert [path.name for path in tmp_path.iterdir()] == ["out.bin"]


def test_the_past_has_its_files() -> None:
    with convex_nb.open() as dep:
        id = dep.files.store(b"abc")
        then = dep.timestamp
        dep.files.delete(id)
        dep.transact(lambda db: db.insert("notes", {}))
        assert kept(dep) == 1
        past = dep.at(then)
        assert past.files[id].read() == b"abc"
        assert past.files[id].url == "data:application/octet-stream;base64,YWJj"
        assert len(dep.files) == 0
        assert not hasattr(past.files, "store")
        again = dep.files.store(past.files[id])
        assert dep.files[again].read() == b"abc"


def test_bytes_go_when_the_past_has() -> None:
    with convex_nb.open(retention=timedelta(0)) as dep:
        id, twin = dep.files.store(b"abc"), dep.files.store(b"abc")
        dep.files.store(b"other")
        assert kept(dep) == 2
        dep.files.delete(id)
        assert kept(dep) == 2
        assert dep.files[twin].read() == b"abc"
        then = dep.timestamp
        dep.files.delete(twin)
        assert kept(dep) == 1
        with pytest.raises(HistoryError):
            dep.at(then)
        assert [file.read() for file in dep.files.values()] == [b"other"]
        dep.check()


def test_what_was_refused_leaves_nothing() -> None:
    with convex_nb.open() as dep:
        with pytest.raises(convex_nb.InvalidValueError):
            dep.files.store(b"x" * (3 << 20), sha256="0" * 64)
        assert kept(dep) == 0
        assert not dep._database.files.staged


def test_the_same_content_is_kept_once() -> None:
    data = b"y" * (3 << 20)
    with convex_nb.open() as dep:
        ids = [dep.files.store(data, sha256=hashlib.sha256(data).hexdigest()) for _ in range(3)]
        assert len(set(ids)) == 3
        assert kept(dep) == 1
        assert all(dep.files[id].read() == data for id in ids)


def test_a_fork_has_the_files_and_its_own() -> None:
    with convex_nb.open(retention=timedelta(0)) as dep:
        id = dep.files.store(b"abc")
        fork = dep.fork()
        own = fork.files.store(b"own")
        dep.files.delete(id)
        assert kept(dep) == 1
        assert fork.files[id].read() == b"abc"
        assert list(dep.files) == []
        fork.files.delete(id)
        assert kept(fork) == 1
        assert fork.files[own].read() == b"own"
        fork.close()


def test_forks_read_what_they_share_when_the_original_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    dep = convex_nb.open(path, durability="relaxed")
    id = dep.files.store(b"abc")
    fork = dep.fork()
    forked_again = fork.fork()
    own = fork.files.store(b"own")
    dep.close()
    assert fork.files[id].read() == b"abc"
    fork.check()
    # The original can be opened and written meanwhile.
    with convex_nb.open(path, durability="relaxed") as reopened:
        reopened.files.store(b"more")
        assert fork.files[id].read() == b"abc"
    store = fork._database.files
    fork.close()
    assert forked_again.files[id].read() == b"abc"
    with pytest.raises(DeploymentClosedError):
        fork.files[own].read()
    forked_again.close()
    # The last one has let go of the file.
    with pytest.raises(DeploymentClosedError):
        store.find(1, 0)


def test_a_save_keeps_what_only_a_fork_still_has(tmp_path: Path) -> None:
    clock = VirtualClock()
    with convex_nb.open(clock=clock, retention=timedelta(minutes=1)) as dep:
        id = dep.files.store(b"abc")
        with dep.fork() as fork:
            dep.files.delete(id)
            clock.advance(120_000)
            assert kept(dep) == 1
            dep.save(tmp_path / "saved.convex", durability="relaxed")
            assert fork.files[id].read() == b"abc"
