"""What pyproject.toml declares is what the package imports, and what docs/dependencies.md explains."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DISTRIBUTION_OF = {"IPython": "ipython", "jwt": "pyjwt"}


def names_of(requirements: list[Any]) -> set[str]:
    return {re.split(r"[<>=\[; ]", each)[0] for each in requirements if isinstance(each, str)}


def imported() -> set[str]:
    modules = {
        name.split(".")[0]
        for path in (ROOT / "convex_nb").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in names_in(node)
    }
    outside = modules - set(sys.stdlib_module_names) - {"convex_nb", "_typeshed"}
    return {DISTRIBUTION_OF.get(module, module) for module in outside}


def names_in(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def test_the_package_declares_what_it_imports_and_no_more() -> None:
    required = names_of(PROJECT["project"]["dependencies"])
    optional = {name for extra in PROJECT["project"]["optional-dependencies"].values() for name in names_of(extra)}
    found = imported()
    assert found - required - optional == set()
    # What the extension lives in, and whose controls its views follow, need not be imported.
    assert required - found <= {"ipykernel", "ipywidgets"}


@pytest.mark.parametrize("group", sorted(PROJECT["dependency-groups"]))
def test_every_dependency_has_its_reason(group: str) -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    wanted = names_of(PROJECT["dependency-groups"][group]) | names_of(PROJECT["project"]["dependencies"])
    assert {name for name in wanted if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", page)} == set()
