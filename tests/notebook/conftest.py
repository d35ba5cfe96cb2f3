"""A notebook without a kernel: an IPython shell whose outputs are kept, cell by cell."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import pytest
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from traitlets.config import Config

from convex_nb.deployment.current import current, set_current
from convex_nb.deployment.deployment import Deployment
from convex_nb.notebook import extension
from convex_nb.notebook.session import Session, get_session

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Ran:
    """What a cell did: its bundles in order, its printed text, the error that it ended with."""

    result: ExecutionResult
    bundles: list[dict[str, Any]]
    printed: str
    updates: list[dict[str, Any]] = field(default_factory=list)

    @property
    def error(self) -> BaseException | None:
        return self.result.error_in_exec or self.result.error_before_exec

    @property
    def value(self) -> Any:
        return self.result.result

    @property
    def text(self) -> str:
        """Everything that a reader without a browser sees."""
        shown = [bundle["text/plain"] for bundle in self.bundles if "text/plain" in bundle]
        return "\n".join([*shown, self.printed])


class Notebook:
    """Cells run in a shell of their own; `browser` tells whether outputs go to one that can show widgets."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self._bundles: list[dict[str, Any]] = []
        self._updates: list[dict[str, Any]] = []
        publisher: Any = shell.display_pub
        publisher.publish = self._publish

    def _publish(self, data: dict[str, Any], metadata: Any = None, *, update: bool = False, **rest: Any) -> None:
        (self._updates if update else self._bundles).append(data)

    def run(self, cell: str, id: str | None = None) -> Ran:
        """Run a cell; `id` is what a front end would send along."""
        self._bundles, self._updates = [], []
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(printed):
            result = self.shell.run_cell(cell, store_history=True, cell_id=id)
        text = COLOURS.sub("", printed.getvalue())
        return Ran(result, list(self._bundles), text, list(self._updates))

    def ok(self, cell: str, id: str | None = None) -> Ran:
        """Run a cell that must not fail."""
        ran = self.run(cell, id)
        assert ran.error is None, ran.text
        return ran

    def __getitem__(self, name: str) -> Any:
        return self.shell.user_ns[name]

    @property
    def session(self) -> Session:
        return get_session()

    @property
    def deployment(self) -> Deployment:
        return current()

    def use_browser(self) -> None:
        """Let outputs go to a browser, as in a kernel."""
        self.shell.kernel = object()  # type: ignore[attr-defined]


@pytest.fixture
def bare() -> Iterator[Notebook]:
    """A notebook into which nothing is loaded yet."""
    InteractiveShell.clear_instance()
    config = Config()
    config.HistoryManager.enabled = False
    shell = InteractiveShell.instance(config=config)
    try:
        yield Notebook(shell)
    finally:
        extension.unload_ipython_extension(shell)
        try:
            current().close()
        except LookupError:
            pass
        except RuntimeError:
            pass
        set_current(None)
        InteractiveShell.clear_instance()


@pytest.fixture
def notebook(bare: Notebook) -> Notebook:
    """A notebook with the extension loaded and a chat defined."""
    bare.ok("%load_ext convex_nb\nfrom convex_nb import SKIP, api, define_table, live, v")
    return bare


SCHEMA = """%%convex_schema
messages = define_table({"author": v.string(), "body": v.string()}).index("by_author", ["author"])
"""
SEND = """%%convex_mutation messages
def send(ctx, author: str, body: str):
    return ctx.db.insert("messages", {"author": author, "body": body})
"""
RECENT = """%%convex_query messages
def recent(ctx, author: str | None = None):
    messages = ctx.db.query("messages")
    if author is not None:
        messages = messages.with_index("by_author", author=author)
    return messages.order("desc").take(50)
"""
CHAT = (SCHEMA, SEND, RECENT)


@pytest.fixture
def chat(notebook: Notebook) -> Notebook:
    """A notebook in which the chat of the tour is defined, each cell with an id."""
    for number, cell in enumerate(CHAT):
        notebook.ok(cell, f"chat-{number}")
    return notebook
