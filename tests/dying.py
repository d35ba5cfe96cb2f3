"""Processes that write until they are killed: children of a server, so that not each has to import everything."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

Run: TypeAlias = Callable[[Path, int, Callable[[str], None], int], object]
"""What a child does: with a file, saying in a journal how far it is, telling which points it reaches, from a number."""


class Server:
    """Starts the children, one at a time, and says how each has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def start(self, path: Path, journal: Path, number: int, point: str = "", times: int = 0) -> int:
        """Start a child, which kills itself at a point that it has come to so many times before; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\t{journal}\t{number}\t{point}\t{times}\n")
        self._process.stdin.flush()
        return self._read()

    def end(self) -> int:
        """Wait for its end: minus the signal that killed it, or 0."""
        return self._read()

    def _read(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextmanager
def server_of(module: str) -> Iterator[Server]:
    """The server that the function `serve` of a module is."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"from {module} import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(process)
    finally:
        process.communicate()


def serve(run: Run) -> None:
    """Fork a child for each line of input; say its process id, and how it has ended."""
    for line in sys.stdin:
        path, journal, number, point, times = line.split("\t")
        child = os.fork()
        if not child:
            _child(run, Path(path), Path(journal), int(number), point, int(times))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _child(run: Run, path: Path, journal: Path, number: int, point: str, times: int) -> None:
    left = itertools.count(times, -1)

    def reached(now: str) -> None:
        if now == point and not next(left):
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        run(path, os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND), reached, number)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        os._exit(1)
    os._exit(0)
