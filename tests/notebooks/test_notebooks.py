"""Every notebook: kept without outputs, and good to run twice in one kernel, which is fresh the first time.

`pytest notebooks/tour.ipynb` reports on one cell by cell (nbval).
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from tests.kernels import Kernels, run

NOTEBOOKS = sorted((Path(__file__).parent.parent.parent / "notebooks").glob("*.ipynb"))

STATE = """
import threading

import convex_nb
from convex_nb.views.live_view import LiveView
from ipywidgets.widgets.widget import _instances

# Those that end by themselves may be at work, or not: what is due by the clock is.
_brief = {"convex_nb jobs in turn", "convex_nb job", "convex_nb action"}
_dep = convex_nb.current()
print({
    "functions": sorted(_dep.functions),
    "queries": _dep.statistics().reactor.queries,
    "views": sum(isinstance(widget, LiveView) for widget in _instances.values()),
    "threads": sum(thread.name not in _brief for thread in threading.enumerate()),
})
"""


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    kept = [cell.id for cell in notebook.cells if cell.cell_type == "code" and (cell.outputs or cell.execution_count)]
    assert kept == [], "run `make format`"
    assert "widgets" not in notebook.metadata


def test_the_page_of_notebooks_leads_to_each(root: Path) -> None:
    page = (root / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\((.*?)\)", page)) == {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_the_links_of_a_notebook_lead_somewhere(path: Path) -> None:
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]
    targets = re.findall(r"\]\(([^)#]+)", "\n".join(cells))
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_a_notebook_runs_twice_in_one_kernel(path: Path, tmp_path: Path, kernels: Kernels) -> None:
    states = []
    with kernels.started(tmp_path) as kernel:
        for _ in range(2):
            for cell in nbformat.read(path, as_version=4).cells:
                if cell.cell_type == "code":
                    traceback = run(kernel, cell.source).traceback
                    may_raise = "raises-exception" in cell.metadata.get("tags", [])
                    assert may_raise or traceback is None, "\n".join([cell.source, *(traceback or [])])
            states.append(run(kernel, STATE).printed)
    first, second = states
    assert "'functions': [" in first
    assert second == first
