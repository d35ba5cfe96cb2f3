"""Runs every area's lines, prints them, and writes build/bench.json and docs/performance.md."""

from __future__ import annotations

import argparse
import multiprocessing
import pkgutil
from concurrent.futures import ProcessPoolExecutor
from time import perf_counter

import benchmarks
from benchmarks import report
from benchmarks.area import measured
from benchmarks.harness import Figure, Unmeasured

NOT_AREAS = {"__main__", "area", "harness", "report"}


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
    figures = {area: in_process(area) for area in chosen}
    seconds = perf_counter() - start
    if chosen == areas:
        report.write(figures, seconds)
    print(report.summary(figures, seconds))


def in_process(area: str) -> list[Figure | Unmeasured]:
    """What an area measures in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measured, area).result()


if __name__ == "__main__":
    main()
