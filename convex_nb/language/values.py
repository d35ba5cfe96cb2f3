"""Values: the types that can be stored, passed and returned, and how Python's objects become them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

Value: TypeAlias = Any
"""`None | bool | int | float | Int64 | str | bytes | list[Value] | dict[str, Value]`; mypy gains nothing from spelling it."""

INT64_LEAST: Final = -(2**63)
INT64_MOST: Final = 2**63 - 1
NUMBER_MOST: Final = 2**53
"""The greatest whole number up to which every `int` is exactly one float64."""


class Undefined:
    """The type of `UNDEFINED`, which stands for "no such field"; it is never stored."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = Undefined()


class Int64(int):
    """A 64-bit integer. Arithmetic with integers stays `Int64`; a result outside 64 bits raises `InvalidValueError`."""

    __slots__ = ()

    def __new__(cls, value: Any = 0) -> Int64:
        number = int.__new__(cls, value)
        if not INT64_LEAST <= number <= INT64_MOST:
            raise InvalidValueError(
                f"{int(number)} does not fit in an Int64 (-2**63 to 2**63 - 1). Store it as a string.", value=int(number)
            )
        return number

    def __repr__(self) -> str:
        return f"Int64({int.__repr__(self)})"

    def __str__(self) -> str:
        return int.__repr__(self)


def _closed(name: str) -> Callable[..., Any]:
    operation = getattr(int, name)

    def method(self: Int64, *operands: Any) -> Any:
        result = operation(self, *operands)
        return Int64(result) if type(result) is int else result

    method.__name__ = name
    method.__qualname__ = f"Int64.{name}"
    method.__doc__ = operation.__doc__
    return method


for _name in (
    "add sub mul floordiv mod pow lshift rshift and or xor "
    "radd rsub rmul rfloordiv rmod rpow rlshift rrshift rand ror rxor "
    "neg pos abs invert round"
).split():
    setattr(Int64, f"__{_name}__", _closed(f"__{_name}__"))
Int64.__divmod__ = lambda self, other: (self // other, self % other)  # type: ignore[method-assign,assignment]
Int64.__rdivmod__ = lambda self, other: (other // self, other % self)  # type: ignore[method-assign,assignment]


class TableName(str):
    """The metadata of `Id["tasks"]` in an annotation."""

    __slots__ = ()


class Id(str):
    """A document id that knows its table: `table` is the name, or None where it is unknown. Equal to its plain text."""

    __slots__ = ("table",)
    table: str | None

    def __new__(cls, text: str, table: str | None = None) -> Id:
        self = str.__new__(cls, text)
        self.table = table
        return self

    def __class_getitem__(cls, table: str) -> Any:
        return Annotated[Id, TableName(table)]

    def __getnewargs__(self) -> tuple[str, str | None]:  # type: ignore[override]
        return str(self), self.table

    def __str__(self) -> str:
        return str.__str__(self)


_FLAT_TYPES = frozenset({type(None), bool, str, float, bytes, Id, Int64})
_SHARED_TYPES = frozenset({Document, ReadOnlyList})
_DOCUMENTS_ONLY = {Document}

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


def is_string(text: str) -> bool:
    """Tell whether `text` is valid Unicode, which a lone surrogate is not."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_value(value: object, *, path: str = "", limits: Limits | None = None) -> Value:
    """Return `value` as a plain, normalised copy that shares nothing mutable with it.

    Tuples become lists, `bytearray` becomes `bytes`, numpy scalars become Python's, `UNDEFINED` entries of objects
    are dropped. `Document` and `ReadOnlyList` are known to be valid and returned as they are. `path` is where the
    value sits, for messages. Raises `InvalidValueError`. The cost is that of a copy.
    """
    return _convert(value, path, 0, limits or _NOTEBOOK)


_NOTEBOOK = Limits.notebook()


def _convert(value: object, path: str, depth: int, limits: Limits) -> Value:
    kind = type(value)
    if kind is str:
        if value.isascii() or is_string(value):  # type: ignore[attr-defined,arg-type]
            return value
        raise _lone_surrogate(value, path)
    if kind is int:
        if -NUMBER_MOST <= value <= NUMBER_MOST:  # type: ignore[operator]
            return value
        raise integer_too_wide(value, path)
    if kind in _FLAT_TYPES:
        if kind is Id and not is_string(value):  # type: ignore[arg-type]
            raise _lone_surrogate(value, path)
        return value
    if kind is dict:
        return _convert_object(value, path, depth + 1, limits)  # type: ignore[arg-type]
    if kind is list or kind is tuple:
        return _convert_array(value, path, depth + 1, limits)  # type: ignore[arg-type]
    if kind in _SHARED_TYPES:
        return value
    return _convert_unusual(value, path, depth, limits)


def _convert_object(value: dict[Any, Any], path: str, depth: int, limits: Limits) -> dict[str, Value]:
    if depth > limits.value_nesting:
        raise _too_deep(path, limits)
    if len(value) > limits.object_fields:
        raise too_many_fields(value, path, limits.object_fields)
    result: dict[str, Value] = {}
    for key, item in value.items():
        if type(key) is not str or not _is_plain_key(key):
            key = checked_key(key, path, limits.nested_field_name_length)
        kind = type(item)
        if kind is str and item.isascii() or kind is float or kind is bool or item is None:
            result[key] = item
        elif item is not UNDEFINED:
            result[key] = _convert(item, f"{path}.{key}", depth, limits)
    return result


def _convert_array(value: Any, path: str, depth: int, limits: Limits) -> list[Value]:
    if depth > limits.value_nesting:
        raise _too_deep(path, limits)
    if len(value) > limits.value_array_elements:
        raise too_many_elements(value, path, limits.value_array_elements)
    kinds = set(map(type, value))
    if kinds <= _SHARED_TYPES or kinds <= _ATOMS_WITHOUT_CHECKS:
        return list(value)
    return [_convert(item, f"{path}[{index}]", depth, limits) for index, item in enumerate(value)]


_ATOMS_WITHOUT_CHECKS = frozenset({type(None), bool, float, bytes, Int64})


def _convert_unusual(value: Any, path: str, depth: int, limits: Limits) -> Value:
    if value is UNDEFINED:
        raise InvalidValueError(
            "UNDEFINED is not a value: it can only stand for a missing field of an object. Write None.",
            path=path,
            value=value,
        )
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    kind = type(value)
    if kind.__module__ == "numpy" or kind.__module__.startswith("numpy."):
        return _from_numpy(value, path)
    # Subclasses of the builtin types are taken where the subclass adds no meaning of its own (StrEnum, IntEnum, …).
    if isinstance(value, str):
        return _convert(str.__str__(value), path, depth, limits)
    if isinstance(value, Int64):
        return Int64(value)
    if isinstance(value, int):
        return _convert(int(value), path, depth, limits)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, bytes):
        return bytes(value)
    if isinstance(value, (Document, ReadOnlyList)):
        return value
    if isinstance(value, dict):
        return _convert_object(dict(value), path, depth + 1, limits)
    if isinstance(value, (list, tuple)) and not hasattr(kind, "_fields"):
        return _convert_array(list(value), path, depth + 1, limits)
    raise _unsupported(value, path)


def _from_numpy(value: Any, path: str) -> Value:
    import numpy

    if isinstance(value, numpy.bool_):
        return bool(value)
    if isinstance(value, numpy.integer) and not isinstance(value, numpy.timedelta64):
        return _convert(int(value), path, 0, _NOTEBOOK)
    if isinstance(value, numpy.floating):
        number = float(value)
        if type(value)(number) == value or number != number:
            return number
        raise InvalidValueError(
            f"{value!r} does not fit in a float64 without loss. Write `float(x)` to round it.", path=path, value=value
        )
    if isinstance(value, numpy.str_):
        return _convert(str(value), path, 0, _NOTEBOOK)
    if isinstance(value, numpy.bytes_):
        return bytes(value)
    raise _unsupported(value, path)


_PLAIN_KEYS: set[str] = set()


def _is_plain_key(key: str) -> bool:
    # Field names repeat without end, so the names that passed are remembered; the set is bounded.
    if key in _PLAIN_KEYS:
        return True
    if not key or len(key) > 64 or not key.isascii() or not key.isprintable() or key[0] == "$":
        return False
    if len(_PLAIN_KEYS) < 10_000:
        _PLAIN_KEYS.add(key)
    return True


def checked_key(key: object, path: str, length: int) -> str:
    """Return an object's key as `str`, or raise `InvalidValueError` saying which rule it breaks."""
    if not isinstance(key, str):
        raise InvalidValueError(
            f"Object keys are strings; this one is {_shown(key)} (a {type(key).__name__}). Write `str(key)`.",
            path=path,
            value=key,
        )
    key = str(key)
    if not key:
        raise InvalidValueError("An object key is empty; keys have at least one character.", path=path, value=key)
    if key[0] == "$":
        raise InvalidValueError(
            f"Object key {_shown(key)} starts with `$`, which is reserved. Rename it.", path=path, value=key
        )
    if not key.isascii() or not key.isprintable():
        raise InvalidValueError(
            f"Object key {_shown(key)} has a character that is not printable ASCII. Keep such keys in an array of "
            "[key, value] pairs.",
            path=path,
            value=key,
        )
    if len(key) > length:
        raise InvalidValueError(
            f"Object key {_shown(key)} has {len(key)} characters; at most {length} are allowed.", path=path, value=key
        )
    return key


def _shown(value: object) -> str:
    from convex_nb.language.errors import shorten

    return shorten(repr(value), 80)


def integer_too_wide(value: Any, path: str) -> InvalidValueError:
    """Return the error for an `int` that no float64 equals."""
    advice = (
        "Write `Int64(n)`, and `v.int64()` in the schema."
        if INT64_LEAST <= value <= INT64_MOST
        else "It does not fit in an Int64 either: write `str(n)`, or `float(n)` to round it."
    )
    shown = str(value) if abs(value) < 10**30 else f"a {value.bit_length()}-bit integer"
    return InvalidValueError(
        f"{shown} is beyond 2**53, where a number (a float64) is no longer exact. {advice}", path=path, value=value
    )


def _lone_surrogate(value: Any, path: str) -> InvalidValueError:
    return InvalidValueError(
        f"{_shown(value)} is not valid Unicode: it has an unpaired surrogate. "
        "Write `s.encode('utf-8', 'replace').decode()`, or keep the raw bytes.",
        path=path,
        value=value,
    )


def _too_deep(path: str, limits: Limits) -> InvalidValueError:
    return InvalidValueError(
        f"The value is nested more than {limits.value_nesting} levels deep, or contains itself.", path=path
    )


def too_many_fields(value: Any, path: str, most: int) -> InvalidValueError:
    """Return the error for an object with too many fields."""
    return InvalidValueError(
        f"An object has {len(value)} fields; at most {most} are allowed. Split it into documents.", path=path, value=value
    )


def too_many_elements(value: Any, path: str, most: int) -> InvalidValueError:
    """Return the error for an array with too many elements."""
    return InvalidValueError(
        f"An array has {len(value)} elements; at most {most} are allowed. Split it into documents.",
        path=path,
        value=value,
    )


def _unsupported(value: object, path: str) -> InvalidValueError:
    kind = type(value)
    advice = _INSTEAD.get(kind.__name__)
    if advice is None:
        if hasattr(kind, "__dataclass_fields__"):
            advice = "Write `dataclasses.asdict(x)`."
        elif hasattr(kind, "_fields"):
            advice = "Write `x._asdict()`."
        else:
            advice = (
                "Values are None, bool, int, float, Int64, str, bytes, list and dict; convert it to one of these."
            )
    return InvalidValueError(
        f"{_shown(value)} is a {kind.__name__}, which is not a Convex value. {advice}", path=path, value=value
    )


def copy_value(value: Value) -> Value:
    """Return `value` with fresh plain containers; read-only containers are shared. `value` must be normalised."""
    kind = type(value)
    if kind is dict:
        return {key: copy_value(item) for key, item in value.items()}
    if kind is list:
        if set(map(type, value)) == _DOCUMENTS_ONLY:
            return value.copy()
        return [copy_value(item) for item in value]
    return value


def size_of(value: Value) -> int:
    """Return the bytes that a normalised value counts for in every limit. The cost is linear in its parts."""
    kind = type(value)
    if kind is str:
        return len(value) + 2 if value.isascii() else len(value.encode()) + 2
    if value is None or kind is bool:
        return 1
    if kind is float or kind is int or kind is Int64:
        return 9
    if kind is dict or kind is Document:
        total = 2 + len(value)
        for key, item in value.items():
            total += (len(key) if key.isascii() else len(key.encode())) + size_of(item)
        return total
    if kind is list or kind is ReadOnlyList:
        return 2 + sum(map(size_of, value))
    if isinstance(value, str):
        return len(value.encode()) + 2
    if kind is bytes:
        return len(value) + 2
    return size_of(to_value(value))


