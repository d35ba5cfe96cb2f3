"""Runs the tour in a real kernel, writes build/tour.html, and checks what the tour says about itself.

The tour ends with a table of figures. Each line of it is asked of the kernel after the last cell, printed beside what
the tour says, and must agree; otherwise the exit code is 1.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from scripts.export import to_html
from scripts.kernel import running_kernel

ROOT = Path(__file__).parent.parent
TOUR = ROOT / "notebooks" / "tour.ipynb"
PAGE = ROOT / "build" / "tour.html"
CLAIMS_CELL = "what-happened"
LINE = re.compile(r"^\| (?P<what>[a-z -]+) \| (?P<said>.*?\d.*?) \|$", re.MULTILINE)
AMOUNT = re.compile(r"(?:(?P<low>[\d,.]+) to |(?P<most>at most ))?(?P<high>[\d,.]+)(?P<unit> \w+)?")

QUESTION = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from scripts.tour_figures import figures
print(figures(board))
"""


class Claim(NamedTuple):
    """One line of the tour's closing table."""

    what: str
    said: str
    low: float
    high: float
    unit: str

    def holds(self, seen: float) -> bool:
        return self.low <= seen <= self.high


def claims_of(notebook: NotebookNode) -> Iterator[Claim]:
    (cell,) = [cell for cell in notebook.cells if cell.id == CLAIMS_CELL]
    for line in LINE.finditer(cell.source):
        amount = AMOUNT.fullmatch(line["said"])
        assert amount is not None, f"the tour's table says {line['said']!r}, which is no amount"
        high = _number(amount["high"])
        low = 0.0 if amount["most"] else _number(amount["low"] or amount["high"])
        yield Claim(line["what"], line["said"], low, high, amount["unit"] or "")


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def main() -> int:
    start = perf_counter()
    print("== running the tour in a kernel", flush=True)
    try:
        with running_kernel(TOUR, TOUR.parent) as kernel:
            kernel.run_all()
            seen: dict[str, float] = kernel.ask(QUESTION)
    except CellExecutionError as error:
        print(f"A cell of the tour failed:\n{error}", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(to_html(kernel.notebook), encoding="utf-8")

    claims = list(claims_of(kernel.notebook))
    if not claims or set(seen) != {claim.what for claim in claims}:
        print(
            f"the tour's cell {CLAIMS_CELL!r} and scripts/tour_figures.py speak of different figures", file=sys.stderr
        )
        return 1
    print(f"\n  {'':<20}{'seen':>12}   the tour says")
    for claim in claims:
        verdict = "ok" if claim.holds(seen[claim.what]) else "WRONG"
        print(f"  {claim.what:<20}{seen[claim.what]:>12,.10g}{claim.unit}   {claim.said}   {verdict}")
    print(f"\nIn {perf_counter() - start:.0f} s. To read: {PAGE}. To use: make lab.")
    wrong = [claim.what for claim in claims if not claim.holds(seen[claim.what])]
    if wrong:
        print(f"not as the tour says: {', '.join(wrong)}", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
