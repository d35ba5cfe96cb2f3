"""The Python in the README, in docs/ and in the rules for assistants runs, page by page, each in a kernel of its own.

A block is run as a cell. A comment on the line before a block changes that: `<!-- raises -->` for one that shows an
error, `<!-- not run -->` for one that only illustrates.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kernels import Kernels, run

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "convex_nb/cli/rules.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?:<!-- (?P<mark>raises|not run) -->\n)?^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")


def blocks(page: Path) -> list[re.Match[str]]:
    return [block for block in BLOCK.finditer(page.read_text(encoding="utf-8")) if block["mark"] != "not run"]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, kernels: Kernels) -> None:
    with kernels.started(tmp_path) as kernel:
        for block in blocks(page):
            traceback = run(kernel, block["code"]).traceback
            raised = traceback is not None
            assert raised == (block["mark"] == "raises"), "\n".join([block["code"], *(traceback or [])])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = [match["target"] for match in LINK.finditer(page.read_text(encoding="utf-8"))]
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []
