"""Measures one area.

An area is a module with a generator `lines()`: it prepares what a line needs, yields the `Line`, which is measured
at once, and lets go of it before it prepares the next one. Each area has a process of its own, so that what an earlier
one has left in memory does not slow it.
"""

from __future__ import annotations

import gc
import importlib

from benchmarks import report
from benchmarks.harness import Figure, Unmeasured, measure


def measured(area: str) -> list[Figure | Unmeasured]:
    """The lines of an area, printed as they come."""
    figures: list[Figure | Unmeasured] = []
    for line in importlib.import_module(f"benchmarks.{area}").lines():
        figure = line if isinstance(line, Unmeasured) else measure(line)
        figures.append(figure)
        print(report.as_text(area, figure), flush=True)
        del line
        gc.collect()
    return figures
