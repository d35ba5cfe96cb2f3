"""What a project says once: `[tool.convex_nb]` in its pyproject.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from convex_nb.cli.options import nearest
from convex_nb.cli.problems import UsageError

KEYS: Final = {"file": "app.convex", "functions": "my_app", "logs": "app.log.jsonl"}
"""What can be said, and what it looks like."""


class Project(NamedTuple):
    """The folder of a project, the file of its deployment, where its functions are, and the file of its log."""

    folder: Path
    file: Path | None
    functions: str | None
    logs: Path | None


def find_project() -> Project:
    """Return what the nearest pyproject.toml with such a section says, from this folder upwards; else nothing.

    Raises `UsageError` for one that says something else.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        place = folder / "pyproject.toml"
        if place.is_file():
            try:
                section = tomllib.loads(place.read_text(encoding="utf-8")).get("tool", {}).get("convex_nb")
            except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
                raise UsageError(f"{place} is not TOML: {error}.") from None
            if section is not None:
                return _read(folder, place, section)
    return Project(here, None, None, None)


def _read(folder: Path, place: Path, section: Any) -> Project:
    if not isinstance(section, dict):
        raise UsageError(f"{place}: tool.convex_nb is a table: write [tool.convex_nb].")
    for key, value in section.items():
        if key not in KEYS:
            raise UsageError(f"{place}: [tool.convex_nb] has no key {key!r}.{nearest(key, KEYS)}")
        if not isinstance(value, str) or not value:
            raise UsageError(f'{place}: {key} in [tool.convex_nb] is a text such as "{KEYS[key]}", not {value!r}.')
    file, logs = [folder / section[key] if key in section else None for key in ("file", "logs")]
    return Project(folder, file, section.get("functions"), logs)
