"""Order-preserving bytes of values: `encode_value(a) < encode_value(b)` exactly when `a` sorts before `b`.

A value is a tag byte and a payload:

====== ================================================================================
tag    payload
====== ================================================================================
01     undefined
03     null
04-0C  Int64: negative of 8, 4, 2, 1 bytes, zero, positive of 1, 2, 4, 8 bytes
0D     number: big-endian float64, sign bit flipped if positive, all bits if negative
0E, 0F false, true
10     string, UTF-8, 00 escaped as 00 FF, closed by 00
11     bytes, likewise
12     array: its elements, closed by 00
15     object: its (key, value) pairs by key, a key written like a string without tag, closed by 00
====== ================================================================================

Tags are less than FF, so `prefix + b"\\xff"` is above every key that extends `prefix`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import copysign
from struct import Struct
from typing import Any

from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.normalisation import checked_text, to_value
from convex_nb.language.value_types import NUMBER_MOST, UNDEFINED, Id, Int64, Undefined, Value

MIN_KEY = b""
MAX_KEY = b"\xff"

_pack_number = Struct(">Bd").pack
_INT64_TAGS = {1: (0x07, 0x09), 2: (0x06, 0x0A), 4: (0x05, 0x0B), 8: (0x04, 0x0C)}


def _whole(value: int) -> bytes:
    return _number(value if -NUMBER_MOST <= value <= NUMBER_MOST else to_value(value))


def _number(value: float) -> bytes:
    # Negating flips the sign bit and nothing else, NaN's included, which is what a positive number's key wants.
    if value > 0.0 or copysign(1.0, value) > 0.0:
        return _pack_number(0x0D, -float(value))
    return b"\x0d" + _pack_number(0, value)[1:].translate(_ALL_BITS)


_ALL_BITS = bytes(range(255, -1, -1))


def _int64(value: int) -> bytes:
    if value == 0:
        return b"\x08"
    bits = (value if value > 0 else ~value).bit_length()
    width = 1 if bits < 8 else 2 if bits < 16 else 4 if bits < 32 else 8
    tag = _INT64_TAGS[width][value > 0]
    return bytes((tag,)) + value.to_bytes(width, "big", signed=True)


def _string(value: str) -> bytes:
    if "\x00" in value:
        return b"\x10" + checked_text(value).encode().replace(b"\x00", b"\x00\xff") + b"\x00"
    return b"\x10%b\x00" % (value if value.isascii() else checked_text(value)).encode()


def _bytes(value: bytes) -> bytes:
    return b"\x11" + value.replace(b"\x00", b"\x00\xff") + b"\x00"


def _array(value: Sequence[Value]) -> bytes:
    return b"\x12" + b"".join(map(encode_value, value)) + b"\x00"


def _object(value: Mapping[str, Value]) -> bytes:
    parts = [b"\x15"]
    for key in sorted(value):
        parts.append(key.encode().replace(b"\x00", b"\x00\xff") + b"\x00" if key else b"\x00\xff\x00")
        parts.append(encode_value(value[key]))
    parts.append(b"\x00")
    return b"".join(parts)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    str: _string,
    Id: _string,
    float: _number,
    int: _whole,
    bool: {False: b"\x0e", True: b"\x0f"}.__getitem__,
    type(None): {None: b"\x03"}.__getitem__,
    Undefined: {UNDEFINED: b"\x01"}.__getitem__,
    Int64: _int64,
    bytes: _bytes,
    list: _array,
    ReadOnlyList: _array,
    dict: _object,
    Document: _object,
}


def encode_value(value: Value) -> bytes:
    """Return the order-preserving bytes of one value or `UNDEFINED`."""
    try:
        return _ENCODERS[type(value)](value)
    except (KeyError, RecursionError):
        normal = to_value(value)
    return _ENCODERS[type(normal)](normal)


def encode_key(*values: Value) -> bytes:
    """Return the bytes of a tuple of values; the bytes of tuples of one length order as the tuples do."""
    try:
        return b"".join([_ENCODERS[type(value)](value) for value in values])
    except (KeyError, RecursionError):
        return b"".join(map(encode_value, values))


def successor(prefix: bytes) -> bytes:
    """Return the least bytes above every key that extends `prefix`."""
    return prefix + b"\xff"


def field_at(document: Mapping[str, Value], path: str) -> Value:
    """Return the value at a dotted path, or `UNDEFINED` where the path does not exist."""
    value: Any = document
    for name in path.split("."):
        if not isinstance(value, dict):
            return UNDEFINED
        value = value.get(name, UNDEFINED)
    return value


@lru_cache(maxsize=4096)
def _compiled(fields: tuple[str, ...]) -> Callable[[Mapping[str, Value]], bytes]:
    whole = list(fields)
    if "_id" not in whole:
        if "_creationTime" not in whole:
            whole.append("_creationTime")
        whole.append("_id")
    lines = ["def key(document):"]
    parts: list[str] = []
    for number, field in enumerate(whole):
        if field == "_id":
            # An id has no NUL to escape.
            parts += ["b'\\x10'", "document['_id'].encode()", "b'\\x00'"]
        else:
            lines += _encoding_lines(f"k{number}", field)
            parts.append(f"k{number}")
    lines.append(f"    return join(({', '.join(parts)},))")
    scope: dict[str, Any] = {
        "UNDEFINED": UNDEFINED,
        "encode_value": encode_value,
        "field_at": field_at,
        "join": b"".join,
        "pack_number": _pack_number,
    }
    exec(compile("\n".join(lines), f"<key of {', '.join(whole)}>", "exec"), scope)
    return scope["key"]  # type: ignore[no-any-return]


def _encoding_lines(part: str, field: str) -> list[str]:
    """Return the lines that put one field's bytes into variable `part`: usual values inline, others by a call."""
    # Positive numbers only: negating flips just the sign bit, which makes their key.
    number = ("(type(x) is float or type(x) is int) and x > 0.0", "pack_number(13, -x)")
    if field == "_creationTime":
        read, cases = "document['_creationTime']", [("x > 0.0", number[1])]
    else:
        read = f"field_at(document, {field!r})" if "." in field else f"document.get({field!r}, UNDEFINED)"
        text = ("type(x) is str and '\\x00' not in x", "f'\\x10{x}\\x00'.encode()")
        cases = [text, number, ("type(x) is bool", "b'\\x0f' if x else b'\\x0e'")]
    lines = [f"    x = {read}"]
    for position, (test, key) in enumerate(cases):
        lines += [f"    {'elif' if position else 'if'} {test}:", f"        {part} = {key}"]
    return [*lines, "    else:", f"        {part} = encode_value(x)"]


def key_function(fields: Sequence[str]) -> Callable[[Mapping[str, Value]], bytes]:
    """Return a compiled function from a document to its key in an index over `fields` (dotted paths).

    `_creationTime` and `_id` follow as tie-breakers unless they are among `fields`; nothing follows `_id`.
    """
    return _compiled(tuple(fields))
