"""Where something is written: to a file, or into a folder, where it gets a name."""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Final

_SEPARATORS: Final = tuple({"/", os.sep})


def target(path: str | PathLike[str], name: str) -> Path:
    """The file that a path means: itself, or `name` in the folder that it is, or that it becomes by ending with `/`."""
    place = Path(path).expanduser()
    if os.fspath(path).endswith(_SEPARATORS):
        place.mkdir(parents=True, exist_ok=True)
    return place / name if place.is_dir() else place
