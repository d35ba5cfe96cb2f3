"""The types of values that Python has none for: `Int64`, `Id`, `UNDEFINED`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypeAlias

from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Callable

Value: TypeAlias = Any
"""`None | bool | int | float | Int64 | str | bytes | list[Value] | dict[str, Value]`; mypy gains nothing from more."""

INT64_LEAST: Final = -(2**63)
INT64_MOST: Final = 2**63 - 1
NUMBER_MOST: Final = 2**53
"""The greatest whole number up to which every `int` is exactly one float64."""


class Undefined:
    """The type of `UNDEFINED`, which stands for "no such field"; it is never stored."""

    __slots__ = ()
    _instance: ClassVar[Undefined | None] = None

    def __new__(cls) -> Undefined:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNDEFINED"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "UNDEFINED"


UNDEFINED: Final = Undefined()


def _closed(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operation of `int` whose whole results are `Int64`."""

    def closed(*operands: Any) -> Any:
        result = operation(*operands)
        return Int64(result) if type(result) is int else result

    return closed


class Int64(int):
    """A 64-bit integer. Arithmetic with integers stays `Int64`; a result beyond 64 bits raises `InvalidValueError`."""

    __slots__ = ()

    def __new__(cls, value: Any = 0) -> Int64:
        if isinstance(value, float) and not value.is_integer():
            raise InvalidValueError(f"{value!r} is not a whole number, so it cannot be an Int64.", value=value)
        number = int.__new__(cls, value)
        if not INT64_LEAST <= number <= INT64_MOST:
            raise InvalidValueError(
                f"{digits(int(number))} does not fit in an Int64 (-2**63 to 2**63 - 1). Store it as a string.",
                value=int(number),
            )
        return number

    __add__ = __radd__ = _closed(int.__add__)
    __sub__, __rsub__ = _closed(int.__sub__), _closed(int.__rsub__)
    __mul__ = __rmul__ = _closed(int.__mul__)
    __floordiv__, __rfloordiv__ = _closed(int.__floordiv__), _closed(int.__rfloordiv__)
    __mod__, __rmod__ = _closed(int.__mod__), _closed(int.__rmod__)
    __pow__, __rpow__ = _closed(int.__pow__), _closed(int.__rpow__)
    __lshift__, __rlshift__ = _closed(int.__lshift__), _closed(int.__rlshift__)
    __rshift__, __rrshift__ = _closed(int.__rshift__), _closed(int.__rrshift__)
    __and__ = __rand__ = _closed(int.__and__)
    __or__ = __ror__ = _closed(int.__or__)
    __xor__ = __rxor__ = _closed(int.__xor__)
    __neg__, __pos__, __abs__ = _closed(int.__neg__), _closed(int.__pos__), _closed(int.__abs__)
    __invert__, __round__ = _closed(int.__invert__), _closed(int.__round__)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def __repr__(self) -> str:
        return f"Int64({int.__repr__(self)})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        # Without it, Hypothesis prints integers by way of `abs`, which the least Int64 does not have.
        printer.text(repr(self))

    def __str__(self) -> str:
        return int.__repr__(self)


def digits(number: int) -> str:
    """Return a whole number as text, or how long it is where Python would refuse to print it."""
    return int.__repr__(number) if abs(number) < 10**30 else f"An integer of {number.bit_length()} bits"


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
