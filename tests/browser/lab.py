"""JupyterLab on a loopback port, and a notebook open in it, as a person would use them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, sync_playwright

from tests.until import PATIENCE, until

LOOPBACK = "127.0.0.1"
WAIT_MS = 60_000
SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "checkForUpdates": False,
        "doNotDisturbMode": True,
        "fetchNews": "false",
    },
    # Cells out of sight stay in the page, so that a test can look at them.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


# Debian, Ubuntu, Fedora and Google name it differently; whichever is there is driven, none is downloaded.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
]


def find_chromium() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """Without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def whole(file: Path) -> nbformat.NotebookNode | None:
    """A notebook, if it can be read at this moment: Jupyter writes it in place."""
    try:
        notebook: nbformat.NotebookNode = nbformat.read(file, as_version=4)
    except ValueError:
        return None
    return notebook


class Lab:
    """A running server over one folder of notebooks."""

    def __init__(self, url: str, token: str, folder: Path) -> None:
        self.url, self.token, self.folder = url, token, folder

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/status?token={self.token}", timeout=5) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False


def _port_of(said: Path) -> int | None:
    try:
        return int(json.loads(said.read_text())["port"])
    except (OSError, ValueError):
        return None


@contextmanager
def running_lab(notebooks: Path, private: Path) -> Iterator[Lab]:
    """Serves `notebooks`; everything that Jupyter would keep in the home directory goes to `private`."""
    settings = private / "config" / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(SETTINGS))
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    environment = os.environ | {
        "JUPYTER_CONFIG_DIR": str(private / "config"),
        "JUPYTER_DATA_DIR": str(private / "data"),
        "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        "IPYTHONDIR": str(private / "ipython"),
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        f"--ip={LOOPBACK}",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={notebooks}",
        "--LabApp.news_url=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    log = private / "lab.log"
    with log.open("w") as output:
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    # Where somebody has taken the port meanwhile it takes another one, and says so here.
    said = private / "runtime" / f"jpserver-{server.pid}.json"
    try:
        deadline = time.monotonic() + PATIENCE
        while not (lab := Lab(f"http://{LOOPBACK}:{_port_of(said) or port}", token, notebooks)).ready():
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.1)
        yield lab
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


class NotebookPage:
    """One notebook in one browser tab. Remembers every console error and every request that left this machine."""

    def __init__(self, browser: Browser, lab: Lab) -> None:
        self.lab = lab
        self.errors: list[str] = []
        self.outside: list[str] = []
        self.positions: dict[str, int] = {}
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        url = message.location.get("url", "")
        # While a kernel starts, jupyter_server cannot list those that there are; JupyterLab asks it again.
        if not ("status of 500" in message.text and urlsplit(url).path == "/api/kernels"):
            self.errors.append(f"{message.text} ({url})")

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.hostname != LOOPBACK:
            self.outside.append(request.url)

    def write(self, notebook: str, cells: dict[str, str]) -> None:
        """Puts a notebook of code cells, by id, beside the others and opens it."""
        self.put(notebook, cells)
        self.open(notebook)

    def put(self, notebook: str, cells: dict[str, str]) -> None:
        """Puts a notebook of code cells, by id, beside the others."""
        written = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source, id=id) for id, source in cells.items()],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(written, self.lab.folder / notebook)
        self.positions = {id: position for position, id in enumerate(cells)}

    def open(self, notebook: str) -> None:
        """Returns when the notebook is drawn and its kernel is idle."""
        while (written := whole(self.lab.folder / notebook)) is None:
            time.sleep(0.01)
        self.positions = {cell.id: position for position, cell in enumerate(written.cells)}
        # Not "networkidle": the kernel's websocket never is.
        self.page.goto(
            f"{self.lab.url}/lab/tree/{notebook}?reset&token={self.lab.token}", wait_until="domcontentloaded"
        )
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()
        # The notebook's own indicator says idle even before there is a kernel, and what runs then is lost.
        self.page.locator("#jp-main-statusbar", has_text="| Idle").wait_for()

    def save(self, notebook: str) -> None:
        """Saves by the keyboard; returns when the file is written."""
        file = self.lab.folder / notebook
        before = file.stat().st_mtime_ns
        # With the focus in a widget nothing would be saved.
        self.page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Control+s")
        until(lambda: file.stat().st_mtime_ns != before and whole(file) is not None)

    def end_kernels(self) -> None:
        """Ends all kernels and closes the page, which would start another one."""
        self.page.goto("about:blank")
        for session in json.loads(self._ask("/api/sessions")):
            self._ask(f"/api/sessions/{session['id']}", "DELETE")

    def reload(self, notebook: str) -> None:
        """Opens a notebook anew; returns when it is drawn, whether or not it has a kernel."""
        address = f"{self.lab.url}/lab/tree/{notebook}?reset&token={self.lab.token}"
        self.page.goto(address, wait_until="domcontentloaded")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for()

    def _ask(self, path: str, method: str = "GET") -> bytes:
        request = urllib.request.Request(f"{self.lab.url}{path}?token={self.lab.token}", method=method)
        with urllib.request.urlopen(request, timeout=30) as reply:
            body: bytes = reply.read()
            return body

    def cell(self, id: str) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(self.positions[id])

    def run(self, id: str) -> None:
        """Runs a code cell and returns when it has finished; it must not show an error."""
        self.start(id)
        self.finish(id)

    def start(self, id: str) -> None:
        """Lets a code cell run."""
        cell = self.cell(id)
        cell.scroll_into_view_if_needed()
        editor = cell.locator(".cm-content")
        editor.click()
        self.page.wait_for_function("cell => cell.classList.contains('jp-mod-active')", arg=cell.element_handle())
        # The number of an earlier run is not to be taken for that of this one.
        cell.locator(".jp-InputPrompt").evaluate("prompt => { prompt.textContent = ''; }")
        editor.press("Control+Enter")

    def finish(self, id: str) -> None:
        """Returns when a cell that was started has finished; it must not show an error."""
        cell = self.cell(id)
        self.page.wait_for_function(
            "cell => /\\[\\d+\\]/.test(cell.querySelector('.jp-InputPrompt').textContent)", arg=cell.element_handle()
        )
        failure = cell.locator('[data-mime-type="application/vnd.jupyter.stderr"]')
        assert failure.count() == 0, failure.first.inner_text()

    def view(self, cell: str, **state: object) -> Locator:
        """The live view that a cell shows, once its root says all of this about itself."""
        wanted = "".join(f'[data-{name}="{value}"]' for name, value in state.items())
        self.cell(cell).locator(f".cx{wanted}").first.wait_for()
        return self.cell(cell).locator(".cx").first

    def theme(self, name: str) -> None:
        """Switches JupyterLab's theme by its menu."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text="Settings").click()
        self.page.locator(".lm-Menu-itemLabel", has_text="Theme").first.hover()
        self.page.locator(".lm-Menu-itemLabel", has_text=name).first.click()
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def close(self) -> None:
        self.context.close()
