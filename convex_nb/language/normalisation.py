"""How Python's objects become values, and the errors of those that cannot.

Errors are raised where they are found with no path; each container on the way out adds its own step, so that the way
in costs nothing.
"""

from __future__ import annotations

from typing import Any, Final

from convex_nb.language.describing import describe
from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.limits import Limits
from convex_nb.language.value_types import INT64_LEAST, INT64_MOST, NUMBER_MOST, UNDEFINED, Id, Int64, Value, digits

_FLAT_TYPES = frozenset({type(None), bool, float, bytes, Int64})
_READ_ONLY_TYPES = frozenset({Document, ReadOnlyList})
_ONLY_INT = {int}
_ONLY_STR = {str}
_MOST_CONTAINERS: Final = 1 << 24
"""Lists that hold one another many times over can stand for more parts than any memory has."""

_INSTEAD = {
    "datetime": "Store milliseconds since 1970 (`t.timestamp() * 1000`), or `t.isoformat()`.",
    "date": "Store an ISO text (`d.isoformat()`), or milliseconds since 1970.",
    "time": "Store an ISO text (`t.isoformat()`).",
    "timedelta": "Store milliseconds (`d / timedelta(milliseconds=1)`).",
    "Timestamp": "Store milliseconds since 1970 (`t.timestamp() * 1000`), or `t.isoformat()`.",
    "Timedelta": "Store milliseconds (`d.total_seconds() * 1000`).",
    "datetime64": "Store milliseconds since 1970 (`float(t.astype('datetime64[ms]').astype('int64'))`).",
    "timedelta64": "Store milliseconds (`float(d / numpy.timedelta64(1, 'ms'))`).",
    "NaTType": "Write None, or leave the field out.",
    "NAType": "Write None, or leave the field out.",
    "Decimal": "Write `float(d)`, or `str(d)` to keep every digit.",
    "Fraction": "Write `float(f)`, or `str(f)` to keep it exact.",
    "complex": "Write `[z.real, z.imag]`.",
    "UUID": "Write `str(u)`.",
    "set": "Write a list, e.g. `sorted(s)`.",
    "frozenset": "Write a list, e.g. `sorted(s)`.",
    "range": "Write `list(r)`.",
    "generator": "Write `list(...)`.",
    "ndarray": "Write `a.tolist()`, or `a.tobytes()` for bytes.",
    "Series": "Write `s.tolist()`; whole columns go through `import_table`.",
    "DataFrame": "Write `df.to_dict('records')`; whole frames go through `import_table`.",
    "Table": "Write `t.to_pylist()`; whole tables go through `import_table`.",
}


def to_value(value: object, *, path: str = "", limits: Limits | None = None) -> Value:
    """Return `value` as a plain, normalised copy that shares nothing mutable with it.

    Tuples become lists, `bytearray` becomes `bytes`, numpy scalars become Python's, `UNDEFINED` entries of objects
    are dropped. `Document` and `ReadOnlyList` are known to be normalised and returned as they are. `path` is where the
    value sits, for messages. Raises `InvalidValueError`. The cost is that of a copy.
    """
    kind = type(value)
    if kind in _FLAT_TYPES or kind in _READ_ONLY_TYPES or (kind is Id and value.isascii()):  # type: ignore[attr-defined]
        return value
    try:
        return _Conversion(limits or _NOTEBOOK).convert(value, 0)
    except InvalidValueError as error:
        raise error.inside(path) from None


_NOTEBOOK: Final = Limits.notebook()


class _Conversion:
    """One call of `to_value`: its limits, and how many more containers it will copy."""

    __slots__ = ("containers", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.containers = _MOST_CONTAINERS

    def convert(self, value: Any, depth: int) -> Value:
        kind = type(value)
        if kind is str:
            return value if value.isascii() else checked_text(value)
        if kind in _FLAT_TYPES:
            return value
        if kind is int:
            return value if -NUMBER_MOST <= value <= NUMBER_MOST else _refuse_integer(value)
        if kind is dict:
            return self.object(value, depth + 1)
        if kind is list or kind is tuple:
            return self.array(value, depth + 1)
        if kind in _READ_ONLY_TYPES:
            return value
        return self.convert_unusual(value, depth)

    def object(self, value: dict[Any, Any], depth: int) -> dict[str, Value]:
        self.enter(depth)
        if len(value) > self.limits.object_fields:
            raise InvalidValueError(
                f"An object has {len(value)} fields; at most {self.limits.object_fields} are allowed. Split it into "
                "documents, or make it an array.",
                value=value,
            )
        result: dict[str, Value] = {}
        for key, item in value.items():
            if type(key) is not str or key not in _known_keys:
                key = checked_key(key, self.limits.nested_field_name_length)
            kind = type(item)
            if kind is float or kind is bool or item is None or (kind is str and item.isascii()):
                result[key] = item
            elif item is not UNDEFINED:
                try:
                    result[key] = self.convert(item, depth)
                except InvalidValueError as error:
                    raise error.inside(f".{key}") from None
        return result

    def array(self, value: Any, depth: int) -> list[Value]:
        self.enter(depth)
        if len(value) > self.limits.value_array_elements:
            raise InvalidValueError(
                f"An array has {len(value)} elements; at most {self.limits.value_array_elements} are allowed. Split it "
                "into documents.",
                value=value,
            )
        kinds = set(map(type, value))
        if (
            kinds <= _READ_ONLY_TYPES
            or kinds <= _FLAT_TYPES
            or (kinds == _ONLY_INT and min(value) >= -NUMBER_MOST and max(value) <= NUMBER_MOST)
            or (kinds == _ONLY_STR and "".join(value).isascii())
        ):
            return list(value)
        result: list[Value] = []
        try:
            result.extend(self.convert(item, depth) for item in value)
        except InvalidValueError as error:
            raise error.inside(f"[{len(result)}]") from None
        return result

    def enter(self, depth: int) -> None:
        if depth > self.limits.value_nesting:
            raise InvalidValueError(
                f"The value is nested more than {self.limits.value_nesting} levels deep, or contains itself."
            )
        self.containers -= 1
        if self.containers < 0:
            raise InvalidValueError(f"The value has more than {_MOST_CONTAINERS} objects and arrays inside it.")

    def convert_unusual(self, value: Any, depth: int) -> Value:
        if value is UNDEFINED:
            raise InvalidValueError(
                "UNDEFINED is not a value: it can only stand for a missing field of an object. Write None.", value=value
            )
        if isinstance(value, (bytearray, memoryview)):
            return bytes(value)
        kind = type(value)
        if kind is Id:
            checked_text(value)
            return value
        if kind.__module__.partition(".")[0] == "numpy":
            return self.convert_numpy(value)
        # Subclasses of the builtin types are taken where they add no meaning of their own (StrEnum, defaultdict, ...).
        if isinstance(value, str):
            return checked_text(str.__str__(value))
        if isinstance(value, int):
            return self.convert(int(value), depth)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, bytes):
            return bytes(value)
        if isinstance(value, dict):
            return self.object(dict(value), depth + 1)
        if isinstance(value, (list, tuple)) and not hasattr(kind, "_fields"):
            return self.array(list(value), depth + 1)
        raise _unsupported(value)

    def convert_numpy(self, value: Any) -> Value:
        import numpy

        if isinstance(value, numpy.bool_):
            return bool(value)
        if is_numpy_integer(value):
            return self.convert(int(value), 0)
        if isinstance(value, numpy.floating):
            number = float(value)
            if type(value)(number) == value or number != number:
                return number
            raise InvalidValueError(
                f"{describe(value, 80)} does not fit in a float64 without loss. Write `float(x)` to round it.",
                value=value,
            )
        if isinstance(value, numpy.str_):
            return checked_text(str(value))
        if isinstance(value, numpy.bytes_):
            return bytes(value)
        raise _unsupported(value)


def is_numpy_integer(value: object) -> bool:
    """Tell whether `value` is a numpy integer, without importing numpy before somebody else has."""
    if type(value).__module__ != "numpy":
        return False
    import numpy

    return isinstance(value, numpy.integer) and not isinstance(value, numpy.timedelta64)


def checked_text(text: str) -> str:
    """Return `text`, or raise `InvalidValueError` if it is not valid Unicode, as a lone surrogate is not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidValueError(
            f"{describe(text, 80)} is not valid Unicode: it has an unpaired surrogate. Write "
            "`s.encode('utf-8', 'replace').decode()`, or keep the raw bytes.",
            value=text,
        ) from None
    return text


_MOST_KNOWN_KEYS: Final = 10_000
_known_keys: set[str] = set()

is_known_key = _known_keys.__contains__
"""Tell whether a key is one of the usual ones, which `checked_key` need not look at again."""


def checked_key(key: object, length: int = _NOTEBOOK.nested_field_name_length) -> str:
    """Return an object's key as `str`, or raise `InvalidValueError` saying which rule it breaks."""
    if not isinstance(key, str):
        raise InvalidValueError(
            f"Object keys are strings; this one is {describe(key, 80)} (a {type(key).__name__}). Write `str(key)`.",
            value=key,
        )
    key = str.__str__(key)
    if not key:
        raise InvalidValueError("An object key is empty; keys have at least one character.", value=key)
    if key[0] == "$":
        raise InvalidValueError(
            f"Object key {describe(key, 80)} starts with `$`, which is reserved. Rename it.", value=key
        )
    if not key.isascii() or not key.isprintable():
        raise InvalidValueError(
            f"Object key {describe(key, 80)} has a character that is not printable ASCII. Rename it, or write an "
            "array of [key, value] pairs.",
            value=key,
        )
    if len(key) > length:
        raise InvalidValueError(
            f"Object key {describe(key, 80)} has {len(key)} characters; at most {length} are allowed.", value=key
        )
    # Names repeat without end, so short ones that passed are remembered; the set is bounded.
    if len(key) <= 64 and len(_known_keys) < _MOST_KNOWN_KEYS:
        _known_keys.add(key)
    return key


def _refuse_integer(value: int) -> Value:
    advice = (
        "Write `Int64(n)`, and `v.int64()` in the schema."
        if INT64_LEAST <= value <= INT64_MOST
        else "It does not fit in an Int64 either: write `str(n)`, or `float(n)` to round it."
    )
    raise InvalidValueError(
        f"{digits(value)} is beyond 2**53, where a number (a float64) is no longer exact. {advice}", value=value
    )


def _unsupported(value: object) -> InvalidValueError:
    kind = type(value)
    advice = _INSTEAD.get(kind.__name__)
    if advice is None:
        if hasattr(kind, "__dataclass_fields__"):
            advice = "Write `dataclasses.asdict(x)`."
        elif hasattr(kind, "_fields"):
            advice = "Write `x._asdict()`."
        elif hasattr(kind, "collect"):
            advice = "Read it first: `.collect()`, `.take(n)` or `.first()`."
        else:
            advice = "Values are None, bool, int, float, Int64, str, bytes, list and dict; convert it to one of these."
    article = "an" if kind.__name__[:1] in "AEIOUaeiou" else "a"
    return InvalidValueError(
        f"{describe(value, 80)} is {article} {kind.__name__}, which is not a Convex value. {advice}", value=value
    )
