"""Figures as text, as build/bench.json and as docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks.harness import Figure, Unmeasured

ROOT = Path(__file__).parent.parent
JSON_FILE = ROOT / "build" / "bench.json"
PAGE = ROOT / "docs" / "performance.md"
LIBRARIES = ("pyarrow", "duckdb", "pandas", "msgspec")

Figures = Mapping[str, Sequence[Figure | Unmeasured]]


def amount(value: float, unit: str) -> str:
    """A time or a size with a unit that suits it, three significant digits; a count as it is."""
    if unit == "count":
        return f"{value:,.3g}"
    steps = (
        (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
        if unit == "seconds"
        else (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1.0))
    )
    name, size = next((step for step in steps if value >= step[1]), steps[-1])
    scaled = value / size
    return f"{scaled:,.{max(0, 3 - len(str(int(scaled))))}f} {name}"


def as_text(area: str, figure: Figure | Unmeasured) -> str:
    if isinstance(figure, Unmeasured):
        return f"{area}: {figure.name}\n    not measured: {figure.reason}"
    target = "" if figure.target is None else f"   at most {figure.target:g}x"
    over = "   OVER" if figure.met is False else ""
    return (
        f"{area}: {figure.name}\n    {amount(figure.ours, figure.unit)}   {figure.peer_name}: "
        f"{amount(figure.peer, figure.unit)}   {figure.ratio:.2f}x{target}{over}"
    )


def summary(figures: Figures, seconds: float) -> str:
    promised = [
        figure
        for lines in figures.values()
        for figure in lines
        if isinstance(figure, Figure) and figure.target is not None
    ]
    return f"{sum(bool(figure.met) for figure in promised)} of {len(promised)} targets met, {seconds:.0f} s"


def machine() -> dict[str, object]:
    return {
        "cores": os.cpu_count(),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def write(figures: Figures, seconds: float) -> None:
    """Writes both files; the figures are as in the run, unrounded in the JSON."""
    about = machine()
    lines = [
        {"area": area, "name": figure.name, "not measured": figure.reason}
        if isinstance(figure, Unmeasured)
        else {
            "area": area,
            "name": figure.name,
            "peer_name": figure.peer_name,
            "unit": figure.unit,
            "ours": figure.ours,
            "peer": figure.peer,
            "ratio": figure.ratio,
            "target": figure.target,
            "met": figure.met,
            "rounds": figure.rounds,
        }
        for area, figures_of_area in figures.items()
        for figure in figures_of_area
    ]
    JSON_FILE.parent.mkdir(exist_ok=True)
    JSON_FILE.write_text(json.dumps({"machine": about, "seconds": round(seconds, 1), "lines": lines}, indent=1) + "\n")
    PAGE.write_text(page(figures, about))


def page(figures: Figures, about: Mapping[str, object]) -> str:
    libraries = about["libraries"]
    assert isinstance(libraries, dict)
    parts = [
        "# Performance",
        "",
        "Made by `make bench`; do not edit. Every line runs ours and a peer in turn, in one process, and gives the",
        "medians: the ratio is what can be compared between machines, the times are of this one.",
        "",
        f"{about['cores']} cores, {about['system']} {about['machine']}, Python {about['python']}, "
        + ", ".join(f"{name} {number}" for name, number in libraries.items())
        + ".",
    ]
    for area, lines in figures.items():
        parts += [
            "",
            f"## {area.replace('_', ' ').capitalize()}",
            "",
            "| what | ours | peer | | ratio | at most |",
            "|---|--:|--:|---|--:|--:|",
        ]
        for figure in lines:
            if isinstance(figure, Unmeasured):
                parts.append(f"| {figure.name} | not measured | | {figure.reason} | | |")
                continue
            target = "" if figure.target is None else f"{figure.target:g}"
            ratio = f"{figure.ratio:.2f}" if figure.met is not False else f"**{figure.ratio:.2f}**"
            parts.append(
                f"| {figure.name} | {amount(figure.ours, figure.unit)} | {amount(figure.peer, figure.unit)} "
                f"| {figure.peer_name} | {ratio} | {target} |"
            )
    parts += ["", "A ratio in bold is over what was promised."]
    return "\n".join(parts) + "\n"
