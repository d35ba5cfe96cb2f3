# ruff: noqa: PTH102, PTH110, PTH123, PTH208
# What users call is under test.
from __future__ import annotations

import io
import linecache
import mimetypes
import os
import platform
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import traceback
import urllib.request
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import convex_nb
from convex_nb import Deployment, DeterminismError
from convex_nb.functions.determinism import audit


@pytest.fixture
def dep() -> Any:
    with convex_nb.open() as deployment:
        yield deployment


@pytest.mark.parametrize(
    ("operation", "does"),
    [
        ("`open('x.txt')`", lambda: open("x.txt")),  # noqa: SIM115
        ("`open('x.txt')`", lambda: Path("x.txt").write_text("x")),
        ("`open('x.txt')`", lambda: os.open("x.txt", os.O_RDONLY)),
        ("`open('x.csv')`", lambda: pd.read_csv("x.csv")),
        ("`open('x.npy')`", lambda: np.load("x.npy")),
        ("`os.listdir('.')`", lambda: os.listdir(".")),
        ("`os.remove('x.txt')`", lambda: Path("x.txt").unlink()),
        ("`os.mkdir('x')`", lambda: os.mkdir("x")),
        ("`os.putenv('X')`", lambda: os.environ.__setitem__("X", "1")),
        ("`shutil.rmtree('x')`", lambda: shutil.rmtree("x")),
        ("`tempfile.mkdtemp", lambda: tempfile.mkdtemp()),
        ("`sqlite3.connect(':memory:')`", lambda: sqlite3.connect(":memory:")),
        ("A socket", lambda: socket.socket()),
        ("`socket.getaddrinfo('localhost')`", lambda: socket.getaddrinfo("localhost", 80)),
        ("`urllib.Request('http://localhost:1/')`", lambda: urllib.request.urlopen("http://localhost:1/")),
        ("`subprocess.Popen('ls')`", lambda: subprocess.run(["ls"], check=True, capture_output=True)),
        ("`os.system('ls')`", lambda: os.system("ls")),
        ("`os.fork()`", lambda: os.fork()),
        ("`os.exec('ls')`", lambda: os.execv("ls", ["ls"])),
        ("`os.posix_spawn('ls')`", lambda: os.posix_spawn("ls", ["ls"], {})),
    ],
)
def test_the_outside_world_is_refused(dep: Deployment, operation: str, does: Callable[[], Any]) -> None:
    with pytest.raises(DeterminismError, match="was refused in the mutation") as refused:
        dep.transact(lambda db: does())
    assert refused.value.operation.startswith(operation.rstrip("`"))


@pytest.mark.parametrize(
    "does",
    [
        lambda: datetime.now(ZoneInfo("Europe/Berlin")).utcoffset(),
        lambda: ZoneInfo.no_cache("Asia/Tokyo"),
        lambda: traceback.format_exception(ValueError("x")),
        lambda: linecache.getline(__file__, 1),
        lambda: linecache.clearcache() or traceback.format_stack(),  # type: ignore[func-returns-value]
        lambda: Path(linecache.__file__).read_bytes(),
        lambda: pd.read_csv(io.StringIO("a,b\n1,2")),
        lambda: np.arange(10).sum(),
        lambda: mimetypes.init() or mimetypes.guess_type("a.png"),  # type: ignore[func-returns-value]
        lambda: platform.platform(),
        lambda: os.path.exists("/"),
        lambda: id(object()),
        lambda: io.StringIO("x").read(),
    ],
)
def test_what_code_brings_along_is_let_through(dep: Deployment, does: Callable[[], Any]) -> None:
    dep.transact(lambda db: does())


def test_nothing_is_asked_while_the_interpreter_ends(
    dep: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("running", "_watched"):
        monkeypatch.setattr(audit, name, None)
    assert os.listdir(tmp_path) == []


def test_imports_inside_handlers_work(dep: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "late_data.txt").write_text("read at import")
    (tmp_path / "late.py").write_text(
        "import threading, pathlib\n"
        "text = (pathlib.Path(__file__).parent / 'late_data.txt').read_text()\n"
        "thread = threading.Thread(target=int)\n"
        "thread.start()\n"
        "def read():\n"
        "    return open(__file__)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    def handler(db: Any) -> Any:
        import late  # type: ignore[import-not-found]

        return late

    late = dep.transact(handler)
    late.thread.join()
    assert late.text == "read at import"
    with pytest.raises(DeterminismError):
        dep.transact(lambda db: late.read())
    del sys.modules["late"]


def test_a_call_made_while_a_module_is_imported_is_a_call_as_any(
    dep: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "calls.py").write_text("from convex_nb import current\ncurrent().transact(lambda db: open(__file__))\n")
    monkeypatch.syspath_prepend(tmp_path)
    convex_nb.set_current(dep)
    with pytest.raises(DeterminismError):
        import calls  # type: ignore[import-not-found]  # noqa: F401


def test_a_warning_inside_a_handler_is_let_through(dep: Deployment) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        dep.transact(lambda db: warnings.warn("careful", stacklevel=1))
    assert [line.message for line in dep.logs] == ["UserWarning: careful"]


def test_other_threads_and_cells_read_files_meanwhile(dep: Deployment, tmp_path: Path) -> None:
    file = tmp_path / "x.txt"
    file.write_text("x")
    go, done = threading.Event(), threading.Event()
    read: list[str] = []

    def reader() -> None:
        assert go.wait(60)
        read.append(file.read_text())
        done.set()

    other = threading.Thread(target=reader)
    other.start()

    def handler(db: Any) -> None:
        go.set()
        assert done.wait(60)
        with pytest.raises(DeterminismError):
            file.read_text()

    dep.transact(handler)
    other.join(60)
    assert read == ["x"]
    assert file.read_text() == "x"


def test_an_action_reads_files(dep: Deployment, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("read")

    @convex_nb.action("m:reads")
    def reads(ctx: convex_nb.ActionCtx) -> str:
        return (tmp_path / "x.txt").read_text()

    assert dep.action(reads) == "read"


def test_file_descriptors_that_are_open_already_are_let_through(dep: Deployment, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("read")
    descriptor = os.open(tmp_path / "x.txt", os.O_RDONLY)

    def handler(db: Any) -> str:
        with open(descriptor) as file:
            return file.read()

    assert dep.transact(handler) == "read"
