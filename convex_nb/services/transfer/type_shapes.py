"""The types of exported values: JSON has strings where Convex has `Int64`, bytes and the floats that are no numbers.

A table's *shape* says what its fields hold, in one line of text: `{"a": int64, "b"?: array<bytes> | null}`. Where a
shape allows one meaning of a string, every string of the field has it. Where it allows several, a string is a string,
unless the document's *context* says otherwise: the same structure with `"int64"`, `"bytes"`, `"float64inf"` or
`{"$float64NaN": bits}` in the places that are not what they look like.
"""

from __future__ import annotations

import math
import re
import struct
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from functools import reduce
from typing import Any, Final, NamedTuple

from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.values import Int64

INFER: Final = "infer"
"""The context of a value that its shape says enough about."""
_NAN: Final = "$float64NaN"
_STRING: Final = frozenset({INFER})
_ANY_STRING: Final = frozenset({INFER, "int64", "bytes", "float64inf", "nan"})
_float64 = struct.Struct("<d")


class Shape(NamedTuple):
    """What a value may be, as far as that decides what its JSON means.

    ``strings`` are the contexts that a string may have, ``fields`` the shapes of an object's fields, ``others`` that of
    its other fields, ``element`` that of an array's elements; ``None`` where there are none. ``unknown``: anything.
    """

    strings: frozenset[str] = frozenset()
    fields: Mapping[str, Shape] = {}
    others: Shape | None = None
    element: Shape | None = None
    unknown: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether JSON without a context means what it looks like."""
        if self.unknown:
            return True
        inside = [each for each in (self.others, self.element, *self.fields.values()) if each is not None]
        return (not self.strings or self.strings == _STRING or len(self.strings) > 1) and all(
            each.is_plain for each in inside
        )


UNKNOWN: Final = Shape(_ANY_STRING, unknown=True)
_NOTHING: Final = Shape()


def field_shape(shape: Shape, name: str) -> Shape:
    """The shape of an object's field."""
    if shape.unknown:
        return UNKNOWN
    own = shape.fields.get(name)
    if own is None or shape.others is None:
        return own or shape.others or _NOTHING
    return _either(own, shape.others)


def _either(a: Shape, b: Shape) -> Shape:
    if a.unknown or b.unknown:
        return UNKNOWN
    return Shape(
        a.strings | b.strings,
        {name: _both(a.fields.get(name), b.fields.get(name)) or _NOTHING for name in {**a.fields, **b.fields}},
        _both(a.others, b.others),
        _both(a.element, b.element),
    )


def _both(a: Shape | None, b: Shape | None) -> Shape | None:
    return a or b if a is None or b is None else _either(a, b)


# -- reading -----------------------------------------------------------------------------------------------------


def decoded(value: Any, shape: Shape, context: Any = INFER) -> Any:
    """What a value of JSON means. Raises `InvalidValueError` where it does not fit its context."""
    if isinstance(value, str):
        kind = context
        if context == INFER:
            kind = next(iter(shape.strings)) if len(shape.strings) == 1 else INFER
        return value if kind == INFER else _decoded_text(value, kind)
    if isinstance(value, list):
        contexts = [INFER] * len(value) if context == INFER else context
        if not isinstance(contexts, list) or len(contexts) != len(value):
            raise InvalidValueError(f"An array cannot be {describe(context, 80)}.", value=value)
        element = UNKNOWN if shape.unknown else shape.element or _NOTHING
        return [decoded(item, element, inner) for item, inner in zip(value, contexts, strict=True)]
    if isinstance(value, dict):
        contexts = {} if context == INFER else context
        if not isinstance(contexts, dict):
            raise InvalidValueError(f"An object cannot be {describe(context, 80)}.", value=value)
        return {
            name: decoded(item, field_shape(shape, name), contexts.get(name, INFER)) for name, item in value.items()
        }
    return value


def _decoded_text(text: str, kind: Any) -> Any:
    try:
        if kind == "int64":
            return Int64(int(text))
        if kind == "bytes":
            return b64decode(text, validate=True)
        if kind == "float64inf" and text in ("Infinity", "-Infinity"):
            return float(text)
        if isinstance(kind, dict) and list(kind) == [_NAN] and text == "NaN":
            number: float = _float64.unpack(b64decode(kind[_NAN], validate=True))[0]
            if math.isnan(number):
                return number
    except (ValueError, TypeError, Base64Error, struct.error):
        pass
    raise InvalidValueError(f"The text is not what the types say: {describe(kind, 80)}.", value=text)


# -- writing -----------------------------------------------------------------------------------------------------


def encoded(value: Any, ambiguous: bool) -> tuple[Any, Any]:
    """The JSON of a value, and its context; ``ambiguous`` where its shape allows more than one kind of string."""
    kind = type(value)
    if kind is Int64:
        return str(int(value)), "int64" if ambiguous else INFER
    if kind is bytes:
        return b64encode(value).decode(), "bytes" if ambiguous else INFER
    if kind is float and not math.isfinite(value):
        if value != value:
            return "NaN", {_NAN: b64encode(_float64.pack(value)).decode()}
        return "Infinity" if value > 0 else "-Infinity", "float64inf"
    if isinstance(value, list):
        items = [encoded(item, ambiguous) for item in value]
        contexts: Any = [context for _, context in items]
        return [item for item, _ in items], INFER if all(each == INFER for each in contexts) else contexts
    if isinstance(value, dict):
        fields = {name: encoded(item, ambiguous) for name, item in value.items()}
        contexts = {name: context for name, (_, context) in fields.items() if context != INFER}
        return {name: item for name, (item, _) in fields.items()}, contexts or INFER
    return value, INFER


# -- the text of a shape -----------------------------------------------------------------------------------------

_UNITS: Final[Mapping[str, Shape]] = {
    "never": _NOTHING,
    "null": _NOTHING,
    "boolean": _NOTHING,
    "normalfloat64": _NOTHING,
    "-0": _NOTHING,
    "int64": Shape(frozenset({"int64"})),
    "bytes": Shape(frozenset({"bytes"})),
    "string": Shape(_STRING),
    "field_name": Shape(_STRING),
    "float64": Shape(frozenset({"nan", "float64inf"})),
    "NaN": Shape(frozenset({"nan", "float64inf"})),
    "inf": Shape(frozenset({"float64inf"})),
    "-inf": Shape(frozenset({"float64inf"})),
    "unknown": UNKNOWN,
}
_TOKEN: Final = re.compile(r'\s*("(?:[^"\\]|\\.)*"|-?[A-Za-z_][A-Za-z0-9_]*|-0|[0-9]+|[{}<>|,:?])')
_MOST_LEVELS: Final = 100


def parse_shape(text: str) -> Shape:
    """The shape that a text says. Raises `InvalidValueError`."""
    tokens: list[str] = []
    place = 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None:
            raise InvalidValueError(f"The types cannot be read at {text[place : place + 40]!r}.", value=text)
        tokens.append(found[1])
        place = found.end()
    parser = _Parser(tokens)
    shape = parser.union(0)
    if parser.place != len(tokens):
        raise parser.unexpected()
    return shape


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self.place = 0

    def unexpected(self) -> InvalidValueError:
        return InvalidValueError(f"The types cannot be read at {self._peek()!r}, their part {self.place}.")

    def _peek(self) -> str:
        return self._tokens[self.place] if self.place < len(self._tokens) else ""

    def _next(self, *expected: str) -> str:
        token = self._peek()
        if not token or (expected and token not in expected):
            raise self.unexpected()
        self.place += 1
        return token

    def union(self, level: int) -> Shape:
        if level > _MOST_LEVELS:
            raise self.unexpected()
        members = [self._member(level)]
        while self._peek() == "|":
            self._next()
            members.append(self._member(level))
        return reduce(_either, members)

    def _member(self, level: int) -> Shape:
        token = self._peek()
        if token == "{":
            return self._object(level)
        if token.startswith('"'):
            self._next()
            return Shape(_STRING)
        if token in ("array", "record", "id", "set", "map"):
            self._next()
            return self._generic(token, level)
        unit = _UNITS.get(token)
        if unit is None:
            raise self.unexpected()
        self._next()
        return unit

    def _generic(self, name: str, level: int) -> Shape:
        self._next("<")
        if name == "id":
            self._next()
            self._next(">")
            return Shape(_STRING)
        first = self.union(level + 1)
        if name in ("array", "set"):
            self._next(">")
            return Shape(element=first)
        self._next(",")
        second = self.union(level + 1)
        self._next(">")
        return Shape(others=second)

    def _object(self, level: int) -> Shape:
        self._next("{")
        fields: dict[str, Shape] = {}
        while self._peek() != "}":
            name = self._next()
            if not name.startswith('"'):
                raise self.unexpected()
            if self._peek() == "?":
                self._next()
            self._next(":")
            fields[name[1:-1]] = self.union(level + 1)
            if self._peek() != "}":
                self._next(",")
        self._next("}")
        return Shape(fields=fields)
