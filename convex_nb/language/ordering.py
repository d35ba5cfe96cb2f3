"""The total order of values, and sameness.

*Equal* is the total order's: `1` equals `1.0`, and no `Int64` equals a number. *Same* is exact in type and bits.
Python's `==` and `hash` decide neither (`1 == 1.0 == True`, `nan != nan`).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import compress, starmap
from operator import is_not
from struct import Struct

from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.normalisation import to_value
from convex_nb.language.value_types import UNDEFINED, Id, Int64, Undefined, Value

_BITS = Struct(">d").pack
_RANKS: dict[type, int] = {
    Undefined: 0,
    type(None): 1,
    Int64: 2,
    float: 3,
    int: 3,
    bool: 4,
    str: 5,
    Id: 5,
    bytes: 6,
    list: 7,
    ReadOnlyList: 7,
    dict: 8,
    Document: 8,
}


def compare_values(a: Value, b: Value) -> int:
    """Return -1, 0 or 1: where `a` stands to `b` in the total order, in which `UNDEFINED` is the least."""
    try:
        return _compare(a, b)
    except (KeyError, RecursionError):
        return _compare(*(x if x is UNDEFINED else to_value(x) for x in (a, b)))


def _compare(a: Value, b: Value) -> int:
    rank = _RANKS[type(a)]
    other = _RANKS[type(b)]
    if rank != other:
        return -1 if rank < other else 1
    if rank == 3:
        return _compare_numbers(a, b)
    if rank == 7:
        for x, y in zip(a, b, strict=False):
            order = _compare(x, y)
            if order:
                return order
        return (len(a) > len(b)) - (len(a) < len(b))
    if rank == 8:
        for (key, x), (other_key, y) in zip(sorted(a.items(), key=_key), sorted(b.items(), key=_key), strict=False):
            if key != other_key:
                return -1 if key < other_key else 1
            order = _compare(x, y)
            if order:
                return order
        return (len(a) > len(b)) - (len(a) < len(b))
    if rank <= 1:
        return 0
    return int(a > b) - int(a < b)


def _key(item: tuple[str, Value]) -> str:
    return item[0]


def _compare_numbers(a: float, b: float) -> int:
    if a < b:
        return -1
    if a > b:
        return 1
    if a == b and a:
        return 0
    # Zeros and NaNs: the order of their bits, as the keys have it.
    a, b = _total_order(a), _total_order(b)
    return (a > b) - (a < b)


def _total_order(number: float) -> int:
    bits = int.from_bytes(_BITS(number), "big")
    return bits ^ 0xFFFF_FFFF_FFFF_FFFF if bits >> 63 else bits | 1 << 63


def same_value(a: Value, b: Value) -> bool:
    """Tell whether two values are the same in type and bits: `1`, `1.0`, `True` and `Int64(1)` are four.

    An `Id` is the same as its text, a `Document` as an equal dict. Identity comes first, so that two lists of
    100,000 shared documents are compared at the speed of `is`.
    """
    if a is b:
        return True
    kind = type(a)
    other = type(b)
    if kind not in _RANKS or other not in _RANKS:
        return same_value(*(x if x is UNDEFINED else to_value(x) for x in (a, b)))
    if kind is float:
        return other is float and (a == b != 0.0 or _BITS(a) == _BITS(b))
    if kind is str or kind is Id:
        return (other is str or other is Id) and bool(a == b)
    try:
        if kind is dict or kind is Document:
            return (other is dict or other is Document) and len(a) == len(b) and _same_fields(a, b)
        if kind is list or kind is ReadOnlyList:
            if (other is not list and other is not ReadOnlyList) or len(a) != len(b):
                return False
            return all(starmap(same_value, compress(zip(a, b, strict=True), map(is_not, a, b))))
    except RecursionError:
        return same_value(to_value(a), to_value(b))
    return kind is other and bool(a == b)


def _same_fields(a: Mapping[str, Value], b: Mapping[str, Value]) -> bool:
    for key, value in a.items():
        other = b.get(key, UNDEFINED)
        if value is not other and not same_value(value, other):
            return False
    return True


def same_key(value: Value) -> Hashable:
    """Return something hashable that is equal for two normalised values exactly when they are `same_value`."""
    kind = type(value)
    if kind is str or kind is bytes or value is None:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return float, _BITS(value)
    if kind is dict or kind is Document:
        return dict, frozenset([(key, same_key(item)) for key, item in value.items()])
    if kind is list or kind is ReadOnlyList:
        return list, tuple(map(same_key, value))
    if kind is Id:
        return str(value)
    return kind, value
