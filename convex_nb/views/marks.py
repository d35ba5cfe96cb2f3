"""What a live widget and its static twin know each other by."""

from __future__ import annotations

import os
from itertools import count
from typing import Final
from uuid import uuid4

_SESSION: Final = os.environ.get("CONVEX_NB_SEED") or uuid4().hex[:8]
_numbers: Final = count(1)


def next_mark() -> str:
    """Return a mark that no other widget has, in this kernel or in what an earlier one has left in the notebook."""
    return f"{_SESSION}-{next(_numbers)}"
