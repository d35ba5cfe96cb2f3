"""How files of older versions become files of the next one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

UPGRADES: Final[Mapping[int, Callable[[sqlite3.Connection], None]]] = {}
"""By the version that a file has: what to do inside a transaction to make it the version after that."""
