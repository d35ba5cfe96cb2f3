"""Kernels that start at once: each is the fork of a process that has imported what all of them do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import write_connection_file

PARENT = """
import gc, json, os, signal, sys
import anywidget, duckdb, ipykernel.kernelapp, ipykernel.ipkernel, ipywidgets, pandas, pyarrow
import convex_nb, convex_nb.deployment.deployment, convex_nb.notebook.extension, convex_nb.views.live_view

gc.freeze()
for line in sys.stdin:
    connection, folder = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(2, 1)
        from ipykernel.kernelapp import IPKernelApp

        IPKernelApp.launch_instance(argv=["-f", connection, "--IPKernelApp.log_level=ERROR"])
        os._exit(0)
    print(pid, flush=True)
    sys.stdin.readline()
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
"""


class Ran(NamedTuple):
    """What came of a cell."""

    printed: str
    traceback: list[str] | None
    """Of the error that it ended with."""


def run(kernel: BlockingKernelClient, code: str) -> Ran:
    """Run a cell, and wait for its end."""
    printed: list[str] = []

    def hear(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
            printed.append(message["content"]["text"])

    reply = kernel.execute_interactive(code, allow_stdin=False, timeout=300, output_hook=hear)["content"]
    return Ran("".join(printed), reply["traceback"] if reply["status"] == "error" else None)


class Kernels:
    """One at a time."""

    def __init__(self, parent: subprocess.Popen[str], folder: Path) -> None:
        self._parent = parent
        self._folder = folder

    @contextmanager
    def started(self, folder: Path) -> Iterator[BlockingKernelClient]:
        """A fresh kernel in a folder."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        connection, _ = write_connection_file(str(self._folder / "connection.json"))
        print(json.dumps([connection, str(folder)]), file=self._parent.stdin, flush=True)
        assert int(self._parent.stdout.readline())
        client = BlockingKernelClient(connection_file=connection)
        client.load_connection_file()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=120)
            yield client
        finally:
            client.stop_channels()
            print("end", file=self._parent.stdin, flush=True)
            Path(connection).unlink()


@contextmanager
def running_kernels(folder: Path) -> Iterator[Kernels]:
    """`folder` is for what connects them."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        yield Kernels(parent, folder)
        assert parent.stdin is not None
        parent.stdin.close()
        parent.wait(30)
