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

from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.errors import InvalidValueError, shorten
from convex_nb.language.limits import Limits
from convex_nb.language.values import Id, Int64, Value, to_value

_float64 = struct.Struct("<d")
_int64 = struct.Struct("<q")
_AS_THEY_ARE = frozenset({str, type(None), bool})
_MOST_LEVELS = Limits.convex().value_nesting


def to_json(value: object) -> Any:
    """Return `value` as a structure that `json.dumps` takes and `from_json` reads back to the same value and types.

    Raises `InvalidValueError` for what is no value.
    """
    return _encode(value, 0)


def _encode(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind in _AS_THEY_ARE:
        if kind is str and not value.isascii():
            return to_value(value)
        return value
    if kind is float:
        if isfinite(value) and (value or copysign(1.0, value) > 0.0):
            return value
        return {"$float": b64encode(_float64.pack(value)).decode()}
    if depth > _MOST_LEVELS:
        return to_value(value)
    if kind is dict or kind is Document:
        encoded = {}
        for key, item in value.items():
            kind = type(item)
            if kind is float:
                if not (isfinite(item) and (item or copysign(1.0, item) > 0.0)):
                    item = {"$float": b64encode(_float64.pack(item)).decode()}
            elif kind not in _AS_THEY_ARE or (kind is str and not item.isascii()):
                item = _encode(item, depth + 1)
            encoded[key] = item
        return encoded
    if kind is list or kind is ReadOnlyList:
        return [_encode(item, depth + 1) for item in value]
    if kind is Int64:
        return {"$integer": b64encode(_int64.pack(value)).decode()}
    if kind is bytes:
        return {"$bytes": b64encode(value).decode()}
    if kind is int or kind is Id:
        return to_value(str(value) if kind is Id else value)
    return _encode(to_value(value), depth)


def from_json(form: Any) -> Value:
    """Return the value that `to_json` (or a Convex client) encoded as `form`. Raises `InvalidValueError`."""
    return to_value(_decode(form, "", 0))


def _decode(form: Any, path: str, depth: int) -> Any:
    kind = type(form)
    if kind is dict:
        if depth > _MOST_LEVELS:
            raise InvalidValueError(f"The JSON is nested more than {_MOST_LEVELS} levels deep.", path=path)
        if len(form) == 1:
            key = next(iter(form))
            if type(key) is str and key[:1] == "$":
                return _decode_tagged(key, form[key], path)
        return {key: _decode(item, f"{path}.{key}", depth + 1) for key, item in form.items()}
    if kind is list:
        if depth > _MOST_LEVELS:
            raise InvalidValueError(f"The JSON is nested more than {_MOST_LEVELS} levels deep.", path=path)
        return [_decode(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(form)]
    return form


def _decode_tagged(tag: str, text: Any, path: str) -> Value:
    if tag not in ("$integer", "$float", "$bytes"):
        raise InvalidValueError(f"{shorten(tag, 80)!r} is not a tag of the encoding.", path=path, value=tag)
    try:
        data = b64decode(text, validate=True)
        if tag == "$integer":
            return Int64(_int64.unpack(data)[0])
        if tag == "$float":
            return _float64.unpack(data)[0]
        return data
    except (Base64Error, TypeError, ValueError, struct.error):
        raise InvalidValueError(
            f"{tag} takes base64 of {'the bytes' if tag == '$bytes' else '8 bytes'}, not {shorten(repr(text), 80)}.",
            path=path,
            value=text,
        ) from None


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def dumps(value: object) -> str:
    """Return the text of `to_json(value)`."""
    return _encoder.encode(_encode(value, 0))


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


def to_plain_json(value: object) -> Any:
    """Return the lossy JSON that people and other tools read; it cannot be read back.

    `Int64` becomes its digits in a string, bytes become base64, NaN and infinities the strings JavaScript prints.
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
