"""A headless Chromium, or a reason to skip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.lab import Lab, NotebookPage, find_chromium, running_chromium, running_lab


# Not for the session: as long as it is there, its event loop runs in this thread, and no other test can run one.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine: install Debian's package `chromium` to run the browser test")
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Lab]:
    notebooks = tmp_path_factory.mktemp("notebooks")
    for notebook in (root / "notebooks").glob("*.ipynb"):
        shutil.copy(notebook, notebooks)
    with running_lab(notebooks, tmp_path_factory.mktemp("jupyter")) as lab:
        yield lab


@pytest.fixture
def notebook(browser: Browser, lab: Lab) -> Iterator[NotebookPage]:
    """A tab; the test fails afterwards if the page wrote a console error or asked anybody outside."""
    page = NotebookPage(browser, lab)
    yield page
    page.close()
    assert page.outside == []
    assert page.errors == []


@pytest.fixture(scope="session")
def screens(root: Path) -> Path:
    folder = root / "build" / "screens"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
