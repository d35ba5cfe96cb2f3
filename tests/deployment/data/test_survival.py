"""What of a deployment is in its file: all of it, but for what was printed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, cron_jobs, define_schema, define_table, mutation, query, v

SCHEMA = define_schema({"notes": define_table({"text": v.string()}).index("by_text", ["text"])})
CONTENT = b"content" * 100_000


@mutation("notes:add")
def add_note(ctx: convex_nb.MutationCtx, text: str) -> None:
    print("adds")
    ctx.db.insert("notes", {"text": text})


@query("notes:list")
def list_notes(ctx: convex_nb.QueryCtx) -> Any:
    return ctx.db.query("notes").collect()


@mutation("notes:later")
def add_later(ctx: convex_nb.MutationCtx) -> str:
    return str(ctx.scheduler.run_after(3_600_000, add_note, {"text": "later"}))


def furnished(dep: Deployment) -> dict[str, Any]:
    """Put something of every kind into a deployment; what is there then."""
    import pyarrow

    dep.register(add_note, add_later)
    crons = cron_jobs()
    crons.cron("yearly", "0 0 1 1 *", add_note, {"text": "tick"})
    dep.push(SCHEMA, crons=crons)
    dep.mutation(add_note, text="a")
    dep.import_table("notes", pyarrow.table({"text": ["b", "c"]}))
    dep.env["KEY"] = "value"
    dep.files.store(CONTENT, content_type="text/plain")
    dep.mutation(add_later)
    assert "adds" in [line.message for line in dep.logs]
    return found(dep)


def found(dep: Deployment) -> dict[str, Any]:
    return {
        "notes": [dict(note) for note in dep.query(list_notes)],
        "schema": dep.schema,
        "environment": dict(dep.env),
        "files": {id: (file.text(), file.content_type) for id, file in dep.files.items()},
        "scheduled": [dict(job) for job in dep.schedules.pending.values()],
        "crons": {name: dict(cron) for name, cron in dep.schedules.crons.items()},
        "timestamp": dep.timestamp,
    }


def test_what_was_in_the_file_is_there_again(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    with convex_nb.open(path) as dep:
        before = furnished(dep)
    for read_only in (False, True, False):
        with convex_nb.open(path, read_only=read_only) as dep:
            # Sinks keep what was printed; the file does not.
            assert len(dep.logs) == len(dep.logs.executions) == 0
            assert found(dep) == before
            dep.check()
    assert [each.name for each in tmp_path.iterdir()] == ["a.convex"]


def test_what_was_in_memory_is_in_the_file_once_saved(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    with convex_nb.open() as dep:
        before = furnished(dep)
        dep.save(path)
        assert found(dep) == before
        assert dep.path == path
    with convex_nb.open(path) as dep:
        assert found(dep) == before


def test_commits_go_on_while_a_deployment_is_saved(tmp_path: Path) -> None:
    with convex_nb.open() as dep:
        furnished(dep)
        saved = threading.Event()
        written: list[str] = []

        def write() -> None:
            while not saved.is_set() or len(written) < 20:
                text = f"meanwhile {len(written)}"
                dep.mutation(add_note, text=text)
                written.append(text)

        thread = threading.Thread(target=write)
        thread.start()
        for name in ("a.convex", "b.convex"):
            dep.save(tmp_path / name, durability="relaxed")
        saved.set()
        thread.join()
        before = found(dep)
    with convex_nb.open(tmp_path / "b.convex") as dep:
        assert found(dep) == before
        assert [note["text"] for note in before["notes"]][3:] == written
    with convex_nb.open(tmp_path / "a.convex") as dep:
        texts = [note["text"] for note in found(dep)["notes"]][3:]
        assert texts == written[: len(texts)]


FULL = """
import resource, signal, sys
from pathlib import Path
import convex_nb
from tests.deployment.data.test_survival import found, furnished

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder = Path(sys.argv[1])
with convex_nb.open() as dep:
    before = furnished(dep)
    for limit in (5_000, 100_000, 500_000):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            dep.save(folder / "a.convex")
        except convex_nb.StorageError as error:
            assert "no room" in str(error), error
        else:
            raise AssertionError(limit)
        assert list(folder.iterdir()) == []
        assert dep.path is None
        assert found(dep) == before
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    dep.save(folder / "a.convex")
    assert found(dep) == before
with convex_nb.open(folder / "a.convex") as dep:
    assert found(dep) == before
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_disk_without_room_for_it(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    ran = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, cwd=root)
    assert ran.returncode == 0, ran.stderr
