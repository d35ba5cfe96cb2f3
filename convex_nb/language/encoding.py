"""Values as JSON: the lossless encoding, and the lossy format that people read.

Lossless: `{"$integer": …}`, `{"$float": …}` (NaN, infinities, -0.0) and `{"$bytes": …}`, each base64 of little-endian
bytes; everything else is itself. An `int` stays an `int` and a `float` a `float`.
"""

from __future__ import annotations

import json
import struct
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from math import copysign, isfinite
from typing import Any, NoReturn

from convex_nb.language.describing import describe
from convex_nb.language.documents import Document, ReadOnlyList, freeze
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.limits import Limits
from convex_nb.language.normalisation import checked_text, is_known_key, to_value
from convex_nb.language.value_types import NUMBER_MOST, Id, Int64, Value

_float64 = struct.Struct("<d")
_int64 = struct.Struct("<q")
_MOST_LEVELS = Limits.convex().value_nesting


def to_json(value: object) -> Any:
    """Return `value` as a structure that `json.dumps` takes and `from_json` reads back to the same value and types.

    Raises `InvalidValueError`.
    """
    try:
        return _encode(value, 0)
    except (_NotNormalisedError, InvalidValueError):
        # What is frozen is trusted, so that this ends also where a key is too unusual to be known.
        return _encode(freeze(to_value(value)), 0)


def to_wire_json(value: object) -> Any:
    """Return `to_json(value)` with every number a float (`5.0`, not `5`), as the wire protocol writes numbers."""
    return with_floats(to_json(value))


def dumps(value: object) -> str:
    """Return the text of `to_json(value)`."""
    return _encoder.encode(to_json(value))


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class _NotNormalisedError(Exception):
    """Something that `to_value` has to look at: to convert it, or to say what is wrong with it and where."""


def _encode(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        return value if value.isascii() else checked_text(value)
    if value is None or kind is bool:
        return value
    if kind is float:
        return value if _is_json_number(value) else _tagged("$float", _float64.pack(value))
    if kind is int and -NUMBER_MOST <= value <= NUMBER_MOST:
        return value
    if depth > _MOST_LEVELS:
        raise _NotNormalisedError
    if kind is dict or kind is Document:
        encoded = {}
        # A Document is normalised: `to_value` would hand its keys back as they are.
        unchecked = kind is dict
        for key, item in value.items():
            if unchecked and not is_known_key(key):
                raise _NotNormalisedError
            kind = type(item)
            if not (kind is str and item.isascii()) and not (kind is float and _is_json_number(item)):
                item = _encode(item, depth + 1)
            encoded[key] = item
        return encoded
    if kind is list or kind is ReadOnlyList:
        return [_encode(item, depth + 1) for item in value]
    if kind is Int64:
        return _tagged("$integer", _int64.pack(value))
    if kind is bytes:
        return _tagged("$bytes", value)
    if kind is Id:
        return str(value)
    raise _NotNormalisedError


def _is_json_number(value: float) -> bool:
    return isfinite(value) and (value != 0.0 or copysign(1.0, value) > 0.0)


def _tagged(tag: str, data: bytes) -> dict[str, str]:
    return {tag: b64encode(data).decode()}


def with_floats(form: Any) -> Any:
    """Return a structure that `to_json` or `to_plain_json` gave with every number a float."""
    kind = type(form)
    if kind is int:
        return float(form)
    if kind is dict:
        return {key: with_floats(item) for key, item in form.items()}
    return [with_floats(item) for item in form] if kind is list else form


def from_json(form: Any) -> Value:
    """Return the value that `to_json`, or a Convex client, encoded as `form`. Raises `InvalidValueError`."""
    return to_value(_decode(form, 0))


def loads(text: str | bytes) -> Value:
    """Return the value of a text that `dumps` wrote. Raises `InvalidValueError`."""
    try:
        form = json.loads(text, parse_constant=_refuse_constant)
    except InvalidValueError:
        raise
    except RecursionError:
        raise InvalidValueError(f"The JSON is nested more than {_MOST_LEVELS} levels deep.") from None
    except ValueError as error:
        raise InvalidValueError(f"The text is not JSON: {error}") from None
    return from_json(form)


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidValueError(f"{name} is not JSON; the encoding writes it as $float.")


def _decode(form: Any, depth: int) -> Any:
    kind = type(form)
    if kind is int and not -NUMBER_MOST <= form <= NUMBER_MOST:
        return _as_float(form)
    if kind is not dict and kind is not list:
        return form
    if depth > _MOST_LEVELS:
        raise InvalidValueError(f"The JSON is nested more than {_MOST_LEVELS} levels deep.")
    step = ""
    try:
        if kind is list:
            decoded = []
            for position, item in enumerate(form):
                step = f"[{position}]"
                decoded.append(_decode(item, depth + 1))
            return decoded
        if len(form) == 1 and str(next(iter(form))).startswith("$"):
            return _decode_tagged(*next(iter(form.items())))
        fields = {}
        for key, item in form.items():
            step = f".{key}"
            fields[key] = _decode(item, depth + 1)
        return fields
    except InvalidValueError as error:
        raise error.inside(step) from None


def _as_float(number: int) -> float:
    """Return the float64 that a long row of digits stands for: JavaScript prints numbers so up to 1e21."""
    if -(2**1023) < number < 2**1023 and float(number) == number:
        return float(number)
    return number


def _decode_tagged(tag: str, text: Any) -> Value:
    if tag not in ("$integer", "$float", "$bytes"):
        raise InvalidValueError(f"{describe(tag, 80)} is not a tag of the encoding.", value=tag)
    try:
        data = b64decode(text, validate=True)
        if tag == "$integer":
            return Int64(_int64.unpack(data)[0])
        return data if tag == "$bytes" else _float64.unpack(data)[0]
    except (Base64Error, TypeError, ValueError, struct.error):
        size = "the bytes" if tag == "$bytes" else "8 bytes"
        raise InvalidValueError(f"{tag} takes base64 of {size}, not {describe(text, 80)}.", value=text) from None


def to_plain_json(value: object) -> Any:
    """Return the lossy JSON that people and other tools read; it cannot be read back.

    `Int64` becomes its digits in a string, bytes become base64, NaN and infinities the names that JavaScript prints.
    """
    return _plain(to_value(value))


def _plain(value: Value) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if type(value) is Int64 or type(value) is Id:
        return str(value)
    if type(value) is bytes:
        return b64encode(value).decode()
    if type(value) is float and not isfinite(value):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    return value
