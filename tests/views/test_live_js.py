"""The browser's half: its pure parts run in node, and it keeps what the package promises about it."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from convex_nb.views import messages
from convex_nb.views.deltas import delta_between
from convex_nb.views.messages import Cell, Row
from convex_nb.views.modules import STATIC, bundle
from tests.views.browsers import apply_delta

SOURCES = {path.name: path.read_text(encoding="utf-8") for path in sorted(STATIC.glob("*.js"))}
WIDGETS = ["live.js", "form.js", "dashboard.js"]
NODE = shutil.which("node")


def random_page(choice: random.Random) -> list[Row]:
    keys = choice.sample("abcdefgh", choice.randint(0, 8))
    cells: list[Cell] = [None, True, 1, "x", {"k": "missing"}]
    return [(key, [choice.choice(cells), choice.choice(cells)]) for key in keys]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_pure_parts_of_the_module_in_node(tmp_path: Path) -> None:
    assert NODE is not None
    choice = random.Random(1)
    pages = [(random_page(choice), random_page(choice)) for _ in range(300)]
    cases = [(old, delta := delta_between(old, new), apply_delta(old, delta)) for old, new in pages]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    shutil.copytree(STATIC, tmp_path / "static")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    environment = os.environ | {"STATIC": str(tmp_path / "static"), "CASES": str(tmp_path / "cases.json")}
    command = [NODE, "--test", str(Path(__file__).with_name("live.test.mjs"))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widgets_module_is_small_and_imports_nothing(name: str) -> None:
    module = bundle(name)
    assert len(module.encode()) < 40_000
    assert not re.search(r"^\s*import\b|\bimport\(|\brequire\(|\bfetch\(|XMLHttpRequest", module, re.MULTILINE)


@pytest.mark.parametrize("name", WIDGETS)
@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_the_modules_share_a_scope_without_harm(name: str, tmp_path: Path) -> None:
    assert NODE is not None
    (tmp_path / "bundle.mjs").write_text(bundle(name))
    check = "import(process.argv[1]).then((module) => process.exit(typeof module.default === 'function' ? 0 : 1))"
    done = subprocess.run([NODE, "-e", check, str(tmp_path / "bundle.mjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = re.findall(r"^(?:async function|function|class|const|let) (\w+)", bundle(name), re.MULTILINE)
    assert "oneLine" in names
    assert "\n//" not in bundle(name)


def test_texts_stay_on_one_line() -> None:
    # The indentation that is left out of a bundle must not be a part of a text.
    assert [name for name, text in SOURCES.items() for line in text.splitlines() if line.count("`") % 2] == []


def test_no_text_becomes_html() -> None:
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function"
    assert [name for name, text in SOURCES.items() if re.search(forbidden, text)] == []


def test_every_request_that_the_browser_sends_is_one_that_the_kernel_knows() -> None:
    sent = set(re.findall(r'send\(\{ type: "(\w+)"', "".join(SOURCES.values())))
    sent |= {"pause", "resume"}
    shapes = get_args(messages.Request | messages.FormRequest | messages.DashboardRequest)
    known = {name for shape in shapes for name in get_args(get_type_hints(shape)["type"])}
    assert sent == known


def test_every_rule_of_the_style_is_scoped() -> None:
    text = (STATIC / "live.css").read_text(encoding="utf-8")
    style = re.sub(r"/\*.*?\*/|@keyframes[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", "", text, flags=re.DOTALL)
    selectors = [
        selector.strip()
        for rule in re.findall(r"([^{}]+)\{", style)
        if not rule.strip().startswith("@")
        for selector in rule.split(",")
    ]
    assert selectors
    assert [selector for selector in selectors if ".cx" not in selector] == []
