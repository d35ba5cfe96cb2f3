"""SQLite's own structure of a durable file: each page has one use, and lists of rows and of free pages do not lie.

SQLite's check of it reads the file as a whole. Here the pages are left out that only the bytes of stored files are on:
these verify when they are read and before they are deleted, so that nothing is lost by a chain of theirs that is wrong.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from pathlib import Path
from typing import Final

from convex_nb.engine.wal.disk import sidecar
from convex_nb.engine.wal.sidecar import has_frames
from convex_nb.engine.wal.storage_errors import DamagedError

ROOT_PAGES: Final = (3, 4, 5)
"""Where the tables begin, in the order of their making: the second page says what the others are for."""

_HEADER: Final = struct.Struct(">16sH6B4I2I5I4x20s8x")
_NODE: Final = struct.Struct(">BHHHB")
_ENTRY: Final = struct.Struct(">BI")
_PAGE: Final = struct.Struct(">I")
_LEAF, _INNER = 13, 5
_FREE, _FIRST, _FURTHER, _BELOW = 2, 3, 4, 5
_LEAST_KEY, _GREATEST_KEY = -(1 << 63) - 1, (1 << 63) - 1
_LOCKS: Final = 1 << 30
"""The page with this byte is where SQLite locks a file, and holds nothing."""


def verify_pages(connection: sqlite3.Connection, *tables: str) -> None:
    """Have SQLite verify its structure: that of these tables, or all of it. Raises `DamagedError`."""
    known = sqlite3.sqlite_version_info >= (3, 33)
    checks = [f"quick_check({table})" for table in tables] if known else []
    for check in checks or ["quick_check(3)"]:
        found = connection.execute(f"pragma {check}").fetchall()
        if found != [("ok",)]:
            raise DamagedError("SQLite's structure (" + "; ".join([str(line).strip() for (line,) in found]) + ")")


def is_sound(path: Path) -> bool:
    """Whether the structure of a file verifies, stored files aside; if not, it may yet be one that SQLite knows better.

    What rows hold is another matter. For a file that nobody writes, and that this process has not opened. Costs a read
    or two for each page.
    """
    if has_frames(sidecar(path)):
        return False
    with path.open("rb", buffering=0) as file:
        try:
            _Pages(file.fileno()).verify()
        except (_UnsoundError, struct.error, IndexError):
            return False
    return True


class _UnsoundError(Exception):
    """Something is not as it should be, or not as we know it."""


def _require(condition: object) -> None:
    if not condition:
        raise _UnsoundError


class _Pages:
    """Goes through a file; what each page is for is noted, and compared with what the file says that it is for."""

    def __init__(self, file: int) -> None:
        self._file = file
        (
            _,
            self._size,
            _,
            _,
            *fixed,
            _,
            count,
            self._free,
            self._free_count,
            _,
            form,
            _,
            largest,
            text,
            _,
            grows,
            unused,
        ) = _HEADER.unpack(os.pread(file, _HEADER.size, 0))
        _require(fixed == [0, 64, 32, 32] and (form, largest, text, grows) == (4, ROOT_PAGES[-1], 1, 1))
        _require(self._size >= 512 and not any(unused) and os.fstat(file).st_size == count * self._size)
        self._used = bytearray(count + 1)
        self._file_pages = 0
        # So many entries of five bytes fill a page; they are of the pages that follow it.
        self._entries = self._size // 5
        self._maps: list[tuple[int, bytes]] = []
        locks = _LOCKS // self._size + 1
        for first in range(2, count + 1, self._entries + 1):
            place = first + (first == locks)
            self._maps.append((place, self._read(place)))
            self._used[place] = 1
        if locks <= count:
            self._used[locks] = 1
        self._used[0] = self._used[1] = 1

    def _read(self, page: int) -> bytes:
        data = os.pread(self._file, self._size, (page - 1) * self._size)
        _require(len(data) == self._size)
        return data

    def verify(self) -> None:
        """Raises `_UnsoundError`."""
        self._node(1, _LEAST_KEY, _GREATEST_KEY)
        for root in ROOT_PAGES:
            self._take(root, 1, 0)
            self._node(root, _LEAST_KEY, _GREATEST_KEY, has_files=root == ROOT_PAGES[-1])
        self._free_list()
        self._rest()

    def _take(self, page: int, use: int, parent: int) -> None:
        """A page has this use, and no other."""
        _require(0 < page < len(self._used) and not self._used[page])
        self._used[page] = 1
        place, entries = self._maps[(page - 2) // (self._entries + 1)]
        _require(_ENTRY.unpack_from(entries, 5 * (page - place - 1)) == (use, parent))

    # -- rows ----------------------------------------------------------------------------------------------------

    def _node(self, page: int, after: int, upto: int, *, has_files: bool = False) -> int:
        """A page of a table, all that is below it, and all keys in order and in these bounds; how many levels."""
        data = self._read(page)
        start = 100 if page == 1 else 0
        kind, free, count, content, fragments = _NODE.unpack_from(data, start)
        _require(kind in (_LEAF, _INNER))
        first = start + (8 if kind == _LEAF else 12)
        cells = struct.unpack_from(f">{count}H", data, first)
        _require(first + 2 * count <= content <= min([*cells, self._size]))
        spans = self._free_spans(data, free, content)
        levels = set()
        for cell in cells:
            if kind == _LEAF:
                length, place = _varint(data, cell)
                key, place = _varint(data, place)
                end = self._payload(page, data, length, place, is_file=has_files and key < 0)
            else:
                key, end = _varint(data, cell + 4)
                levels.add(self._child(page, data, cell, after, key, has_files))
            _require(after < key <= upto)
            after = key
            spans.append((cell, max(end, cell + 4)))
        if kind == _INNER:
            levels.add(self._child(page, data, start + 8, after, upto, has_files))
        self._account(sorted(spans), content, fragments)
        _require(len(levels) <= 1)
        return max(levels, default=0) + 1

    def _child(self, page: int, data: bytes, place: int, after: int, upto: int, has_files: bool) -> int:
        child: int = _PAGE.unpack_from(data, place)[0]
        self._take(child, _BELOW, page)
        return self._node(child, after, upto, has_files=has_files)

    def _payload(self, page: int, data: bytes, length: int, place: int, *, is_file: bool) -> int:
        """The content of a row, which goes on in a chain of pages of its own if it is long; where its cell ends."""
        room = self._size - 4
        if length <= self._size - 35:
            return place + length
        least = (self._size - 12) * 32 // 255 - 23
        local = least + (length - least) % room
        if local > self._size - 35:
            local = least
        pages = -(-(length - local) // room)
        further: int = _PAGE.unpack_from(data, place + local)[0]
        self._take(further, _FIRST, page)
        if is_file:
            self._file_pages += pages - 1
        else:
            self._chain(further, pages - 1)
        return int(place + local + 4)

    def _chain(self, page: int, pages: int) -> None:
        for _ in range(pages):
            before = page
            (page,) = _PAGE.unpack(os.pread(self._file, 4, (page - 1) * self._size))
            self._take(page, _FURTHER, before)
        _require(os.pread(self._file, 4, (page - 1) * self._size) == bytes(4))

    def _free_spans(self, data: bytes, free: int, content: int) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        while free:
            _require(free >= (spans[-1][1] if spans else content))
            following, length = struct.unpack_from(">HH", data, free)
            spans.append((free, free + length))
            free = following
        return spans

    def _account(self, spans: list[tuple[int, int]], content: int, fragments: int) -> None:
        """What a page holds does not overlap, and between are as many bytes as it says."""
        end = content
        for start, stop in spans:
            _require(start >= end)
            fragments -= start - end
            end = stop
        _require(end <= self._size and fragments == self._size - end)

    # -- the other pages -----------------------------------------------------------------------------------------

    def _free_list(self) -> None:
        page, count = self._free, 0
        while page:
            self._take(page, _FREE, 0)
            data = self._read(page)
            page, length = struct.unpack_from(">II", data)
            _require(length <= self._size // 4 - 2)
            for each in struct.unpack_from(f">{length}I", data, 8):
                self._take(each, _FREE, 0)
            count += length + 1
        _require(count == self._free_count)

    def _rest(self) -> None:
        """Nobody but stored files has the pages that are left."""
        left = 0
        for place, entries in self._maps:
            used = self._used[place + 1 : place + 1 + self._entries]
            uses = entries[: 5 * len(used) : 5]
            found = used.count(0)
            if found == len(used):
                _require(uses.count(_FIRST) + uses.count(_FURTHER) == found)
            elif found:
                _require(all(taken or use == _FURTHER for taken, use in zip(used, uses, strict=True)))
            left += found
        _require(left == self._file_pages)


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A signed number, and where it ends."""
    value = 0
    for at in range(place, place + 8):
        value = value << 7 | data[at] & 0x7F
        if data[at] < 0x80:
            return value, at + 1
    value = value << 8 | data[place + 8]
    return value - (1 << 64) if value >= 1 << 63 else value, place + 9
