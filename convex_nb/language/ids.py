"""Document ids: base32 of a table number, sixteen bytes and a checksum.

`vint(table number) ++ internal ++ footer`, lower-case Crockford base32 without padding, 31 to 37 characters.
The internal part is 14 random bytes and the day since 1970 in two; the footer is fletcher16 (modulus 256) of what
precedes it, little-endian.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import accumulate

from convex_nb.language.describing import shorten
from convex_nb.language.errors import InvalidIdError

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
INTERNAL_BYTES = 16
FIRST_USER_TABLE = 10001
_MOST_TABLE_NUMBER = 2**32 - 1
_PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
_TO_PYTHON_BASE32 = str.maketrans(ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_FORM = re.compile(f"[{ALPHABET}]+")
_LENGTHS = frozenset({31, 32, 34, 36, 37})


@lru_cache(maxsize=4096)
def encode_table_number(number: int) -> bytes:
    """Return the bytes that an id starts with: LEB128, its least bits first."""
    if not 0 < number <= _MOST_TABLE_NUMBER:
        raise InvalidIdError(f"Invalid table number {number}: it is between 1 and 2**32 - 1.")
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def encode_id(table_number: int, internal: bytes) -> str:
    """Return the id of `internal`, 16 bytes, in a table. Raises `InvalidIdError`."""
    if len(internal) != INTERNAL_BYTES:
        raise InvalidIdError(f"An internal id has {INTERNAL_BYTES} bytes, not {len(internal)}.")
    return _text(encode_table_number(table_number) + internal)


def _checksum(body: bytes) -> int:
    # Fletcher's second sum is the sum of the running sums of the first.
    return ((sum(accumulate(body)) & 0xFF) << 8) | (sum(body) & 0xFF)


def _text(body: bytes) -> str:
    data = body + _checksum(body).to_bytes(2, "little")
    characters = (len(data) * 8 + 4) // 5
    bits = int.from_bytes(data, "big") << (characters * 5 - len(data) * 8)
    pairs = _PAIRS
    if characters == 32:
        # Table numbers 128 to 16383: every table that users make first.
        high = bits >> 80
        low = bits & 0xFFFF_FFFF_FFFF_FFFF_FFFF
        return (
            pairs[high >> 70] + pairs[high >> 60 & 1023] + pairs[high >> 50 & 1023] + pairs[high >> 40 & 1023]
            + pairs[high >> 30 & 1023] + pairs[high >> 20 & 1023] + pairs[high >> 10 & 1023] + pairs[high & 1023]
            + pairs[low >> 70] + pairs[low >> 60 & 1023] + pairs[low >> 50 & 1023] + pairs[low >> 40 & 1023]
            + pairs[low >> 30 & 1023] + pairs[low >> 20 & 1023] + pairs[low >> 10 & 1023] + pairs[low & 1023]
        )  # fmt: skip
    return "".join([ALPHABET[bits >> shift & 31] for shift in range(characters * 5 - 5, -1, -5)])


def decode_id(text: str) -> tuple[int, bytes]:
    """Return the table number and the 16 internal bytes of an id. Strict: raises `InvalidIdError` for anything else."""
    if not isinstance(text, str) or _FORM.fullmatch(text) is None:
        raise _undecodable(text, "ID wasn't valid base32")
    if len(text) not in _LENGTHS:
        raise _undecodable(text, f"Invalid ID length {len(text)}")
    size = len(text) * 5 // 8
    spare = len(text) * 5 - size * 8
    bits = int(text.translate(_TO_PYTHON_BASE32), 32)
    data = (bits >> spare).to_bytes(size, "big")
    number = shift = 0
    width = size - INTERNAL_BYTES - 2
    for byte in data[:width]:
        number |= (byte & 0x7F) << shift
        shift += 7
    if not 0 < number <= _MOST_TABLE_NUMBER or encode_table_number(number) != data[:width]:
        raise _undecodable(text, "Invalid table number")
    version = int.from_bytes(data[-2:], "little") ^ _checksum(data[:-2])
    if version:
        raise _undecodable(text, f"Invalid ID version {version} (expected 0)")
    if bits & ((1 << spare) - 1):
        raise _undecodable(text, "ID wasn't valid base32")
    return number, data[width:-2]


def _undecodable(text: object, reason: str) -> InvalidIdError:
    shown = text if isinstance(text, str) else repr(text)
    return InvalidIdError(f'Unable to decode ID: {reason}: "{shorten(shown, 80)}"', id=shown)
