"""SQLite's sidecar after a crash: whether it breaks off where a crash can have broken it.

SQLite reads the sidecar up to the first frame that does not verify and forgets the rest. That is right for a torn
last transaction, which nobody was told of. But where whole transactions follow, the frame was complete once and was
damaged later, and forgetting would lose commits that were acknowledged.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

_HEADER: Final = struct.Struct(">8I")
_FRAME: Final = struct.Struct(">6I")
_MAGIC: Final = (0x377F0682, 0x377F0683)
_MASK: Final = 0xFFFFFFFF


def has_frames(path: Path) -> bool:
    """Whether the sidecar ``path`` is there and was written to: it begins with something else than zeros."""
    try:
        with path.open("rb") as handle:
            return any(handle.read(_HEADER.size))
    except FileNotFoundError:
        return False


def breaks_off_early(path: Path) -> bool:
    """Whether the sidecar ``path`` has a complete transaction after a frame that does not verify.

    Costs some 40 ms a megabyte.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    if len(content) < _HEADER.size or not any(content[: _HEADER.size]):
        return False
    magic, _, page_bytes, _, *salts, first, second = _HEADER.unpack_from(content)
    step = _FRAME.size + page_bytes
    order = ">" if magic == _MAGIC[1] else "<"
    if magic not in _MAGIC or _checksum(content[:24], (0, 0), order) != (first, second):
        # It is written, and on the disk, before the first frame is.
        return len(content) > _HEADER.size
    sums = (first, second)
    torn = False
    committed = False
    for start in range(_HEADER.size, len(content) - step + 1, step):
        _, size, *frame_salts, first, second = _FRAME.unpack_from(content, start)
        if not torn:
            page = start + _FRAME.size
            sums = _checksum(content[start : start + 8], sums, order)
            sums = _checksum(content[page : page + page_bytes], sums, order)
            torn = frame_salts != salts or sums != (first, second)
        # Frames with other salts are left from before the sidecar was begun anew.
        if torn and frame_salts == salts:
            if committed:
                return True
            committed = size != 0
    return False


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for even, odd in zip(words[::2], words[1::2], strict=True):
        first = (first + even + second) & _MASK
        second = (second + odd + first) & _MASK
    return first, second
