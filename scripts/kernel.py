"""A notebook in a real kernel, cell by cell, with questions asked of the kernel in between."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient


class Kernel:
    """One running kernel and the notebook whose cells it runs."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client
        self.notebook = client.nb

    def run_all(self) -> None:
        """Runs every cell in order; raises `nbclient.exceptions.CellExecutionError` at the first that fails."""
        for position, cell in enumerate(self.notebook.cells):
            self._client.execute_cell(cell, position)

    def ask(self, code: str) -> Any:
        """Runs code that is no part of the notebook; what it prints is read as a Python literal."""
        cell = nbformat.v4.new_code_cell(code)
        # nbclient puts an executed cell back at its place, so it needs one for the moment.
        self.notebook.cells.append(cell)
        try:
            self._client.execute_cell(cell, len(self.notebook.cells) - 1, store_history=False)
        finally:
            self.notebook.cells.pop()
        return ast.literal_eval("".join(output.text for output in cell.outputs if output.output_type == "stream"))


@contextmanager
def running_kernel(path: Path, folder: Path) -> Iterator[Kernel]:
    """A kernel for the notebook at `path`, working in `folder`; it ends with the block."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(folder)}},
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # it warns of TCP on the loopback interface
    )
    with client.setup_kernel():
        yield Kernel(client)
        client.set_widgets_metadata()
