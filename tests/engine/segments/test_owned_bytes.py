from __future__ import annotations

import random

import pyarrow as pa
import pytest

from convex_nb.engine.segments.owned_bytes import BytesWriter, owned_bytes

MEGABYTE = 1 << 20


@pytest.mark.parametrize("size", [0, 1, MEGABYTE - 1, MEGABYTE, MEGABYTE + 1, 3 * MEGABYTE + 7])
def test_all_of_a_buffer(size: int) -> None:
    content = random.Random(size).randbytes(size)
    owned = owned_bytes(pa.py_buffer(content))
    assert type(owned) is bytes
    assert owned == content


def test_no_buffer() -> None:
    assert owned_bytes(None) == b""


def test_written_piece_by_piece() -> None:
    each: list[list[bytes | memoryview]] = [[], [b""], [b"a"], [b"ab", memoryview(b"xcdx")[1:3], b"", bytes(5000)]]
    for pieces in each:
        writer = BytesWriter(sum(map(len, pieces)))
        for piece in pieces:
            writer.write(piece)
        assert writer.content() == b"".join(pieces)
    writer = BytesWriter(2)
    with pytest.raises(AssertionError, match="less than"):
        writer.content()
    with pytest.raises(AssertionError, match="more than"):
        writer.write(b"abc")
