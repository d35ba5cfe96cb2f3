from __future__ import annotations

import random

import pyarrow as pa
import pytest

from convex_nb.engine.segments.owned_bytes import owned_bytes

MEGABYTE = 1 << 20


@pytest.mark.parametrize("size", [0, 1, MEGABYTE - 1, MEGABYTE, MEGABYTE + 1, 3 * MEGABYTE + 7])
def test_all_of_a_buffer(size: int) -> None:
    content = random.Random(size).randbytes(size)
    owned = owned_bytes(pa.py_buffer(content))
    assert type(owned) is bytes
    assert owned == content


def test_no_buffer() -> None:
    assert owned_bytes(None) == b""
