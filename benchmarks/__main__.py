"""Runs every area's lines, prints them, and writes build/bench.json and docs/performance.md.

An area is a module with a generator `lines()`: it prepares what a line needs, yields the `Line`, which is measured
at once, and lets go of it before it prepares the next one.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import pkgutil
from time import perf_counter

import benchmarks
from benchmarks import report
from benchmarks.harness import Figure, Unmeasured, measure

NOT_AREAS = {"__main__", "harness", "report"}


def main() -> None:
    areas = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__) if module.name not in NOT_AREAS)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "areas", nargs="*", metavar="AREA", help=f"only these: {', '.join(areas)}; nothing is written then"
    )
    chosen = parser.parse_args().areas or areas
    if unknown := sorted(set(chosen) - set(areas)):
        parser.error(f"no area {', '.join(unknown)}; there are {', '.join(areas)}")

    start = perf_counter()
    figures: dict[str, list[Figure | Unmeasured]] = {}
    for area in chosen:
        figures[area] = []
        for line in importlib.import_module(f"benchmarks.{area}").lines():
            figure = line if isinstance(line, Unmeasured) else measure(line)
            figures[area].append(figure)
            print(report.as_text(area, figure), flush=True)
            del line
            gc.collect()
    seconds = perf_counter() - start
    if chosen == areas:
        report.write(figures, seconds)
    print(report.summary(figures, seconds))


if __name__ == "__main__":
    main()
