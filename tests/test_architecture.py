"""Rules of the house that import-linter cannot see."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "convex_nb"
MODULES = sorted(PACKAGE.rglob("*.py"))
BELOW_DEPLOYMENT = [PACKAGE / layer for layer in ("language", "engine", "functions", "services")]
STARTS_A_THREAD = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "start_new_thread", "to_thread"}
MAX_LINES = 500
ARCHITECTURE = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(?P<package>\w+/\w+)/` \| .* \| (?P<unknown>.*) \|$", re.MULTILINE)
PACKAGES = {row["package"]: re.findall(r"`(.*?)`", row["unknown"]) for row in ROW.finditer(ARCHITECTURE)}


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_is_short_enough_to_be_read_at_once(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_nothing_below_the_deployment_starts_a_thread() -> None:
    starts = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if any(path.is_relative_to(layer) for layer in BELOW_DEPLOYMENT)
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and called_name(node) in STARTS_A_THREAD
    ]
    assert starts == []


def called_name(call: ast.Call) -> str | None:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else None


def test_javascript_asks_nobody_outside() -> None:
    """An address in a static file would be a request that an offline notebook cannot make."""
    addresses = {
        f"{name_of(path)}: {address}"
        for path in sorted(PACKAGE.rglob("static/*"))
        for address in re.findall(r"\bhttps?://[^\s\"'`)]+", path.read_text(encoding="utf-8"))
        if not address.startswith("http://www.w3.org/")  # the names of SVG's and HTML's own namespaces
    }
    assert addresses == set()


def test_every_package_is_in_the_picture() -> None:
    folders = {name_of(path.parent) for path in MODULES if path.name == "__init__.py"}
    assert PACKAGES.keys() == {folder for folder in folders if "/" in folder}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_does_not_know_what_the_picture_keeps_from_it(package: str) -> None:
    unknown = tuple(f"convex_nb.{other.replace('/', '.')}." for other in PACKAGES[package])
    known = [
        f"{name_of(path)} imports {node.module}"
        for path in MODULES
        if path.is_relative_to(PACKAGE / package)
        for node in nodes_of(path)
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(unknown)
    ]
    assert known == []
