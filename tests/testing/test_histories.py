"""The checker finds every kind of anomaly in histories written by hand, and none in those that are in order."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, strategies as st

from convex_nb.testing.histories import (
    Add,
    Append,
    Execution,
    Operation,
    Read,
    ReadList,
    ReadRange,
    Write,
    find_anomaly,
)


def seen(lo: int, hi: int, *values: int) -> ReadRange:
    return ReadRange(lo, hi, frozenset(values))


def together(*executions: list[Operation], committed: bool = True) -> list[Execution]:
    """All at the same time."""
    return [Execution(tuple(operations), 0, 1, committed) for operations in executions]


def in_turn(*executions: list[Operation]) -> list[Execution]:
    """One after another."""
    return [Execution(tuple(operations), 2 * n, 2 * n + 1) for n, operations in enumerate(executions)]


def rolled_back(*operations: Operation) -> list[Execution]:
    return together(list(operations), committed=False)


X1, Y1 = Write("x", 1, None), Write("y", 2, None)
SERIALIZABLE = {
    "nothing": [],
    "lists": together([Append("a", 1)], [Append("a", 2), ReadList("a", (1, 2))], [ReadList("a", (1,))]),
    "own writes": together([Append("a", 1), ReadList("a", (1,)), Append("a", 2), ReadList("a", (1, 2))]),
    "two appends at once": in_turn([Append("a", 1), Append("a", 2)], [ReadList("a", (1, 2)), Append("a", 3)]),
    "registers": together([Write("x", 1, None)], [Write("x", 2, 1), Read("x", 2)], [Read("x", None)]),
    "twice in one execution": in_turn([Write("x", 1, None), Write("x", 2, 1)], [Read("x", 2), Write("x", 3, 2)]),
    "blind additions": together([Add(1, 1)], [Add(2, 2)], [seen(0, 5, 1)], [seen(0, 5, 1, 2)]),
    "ranges apart": together([seen(0, 5), Add(7, 1)], [seen(5, 9, 1), Add(2, 2)]),
    "what was rolled back": [*together([Append("a", 1)], [X1], committed=False), *in_turn([ReadList("a", ())])],
    "reads in the past of others": together([Write("x", 1, None), Add(1, 2)], [Read("x", None), seen(0, 2)]),
}


@pytest.mark.parametrize("name", SERIALIZABLE)
def test_what_is_in_order(name: str) -> None:
    assert find_anomaly(SERIALIZABLE[name]) is None


ANOMALIES = {
    "lost update": ("cycle", together([Read("x", None), Write("x", 1, None)], [Read("x", None), Write("x", 2, None)])),
    "lost append": (
        "cycle",
        [
            *together([ReadList("a", ()), Append("a", 1)], [ReadList("a", ()), Append("a", 2)]),
            Execution((ReadList("a", (2,)),), 5, 6),
        ],
    ),
    "write skew": ("cycle", together([Read("x", None), Read("y", None), X1], [Read("x", None), Read("y", None), Y1])),
    "write skew of lists": (
        "cycle",
        [
            *together([ReadList("a", ()), Append("b", 1)], [ReadList("b", ()), Append("a", 2)]),
            *together([ReadList("a", (2,)), ReadList("b", (1,))]),
        ],
    ),
    "phantom": ("cycle", together([seen(0, 5), Add(2, 1)], [seen(0, 5), Add(3, 2)])),
    "phantom beside": ("cycle", together([seen(0, 5), Add(7, 1)], [seen(5, 9), Add(2, 2)])),
    "long fork": ("cycle", together([Add(1, 1)], [Add(2, 2)], [seen(0, 5, 1)], [seen(0, 5, 2)])),
    "half a transaction": ("cycle", together([X1, Y1], [Read("x", 1), Read("y", None)])),
    "half a transaction in a range": ("cycle", together([Add(1, 1), Add(2, 2)], [seen(0, 5, 2)])),
    "a read-only anomaly": (
        "cycle",
        together([X1, Read("y", None)], [Read("x", None), Y1], [Read("x", 1), Read("y", None)], [Read("y", 2)]),
    ),
    "a read of the past": ("cycle", [*in_turn([X1], [Y1]), Execution((Read("x", None), Read("y", 2)), 0, 9)]),
    "a stale read": ("cycle", in_turn([X1], [Read("x", None)])),
    "a stale range": ("cycle", in_turn([Add(1, 1)], [seen(0, 5)])),
    "a stale list": ("cycle", in_turn([Append("a", 1)], [Append("a", 2)], [ReadList("a", (1,))])),
    "rolled back and seen": ("aborted read", [*rolled_back(Append("a", 1)), *together([ReadList("a", (1,))])]),
    "rolled back and read": ("aborted read", [*rolled_back(X1), *together([Read("x", 1)])]),
    "rolled back and in a range": ("aborted read", [*rolled_back(Add(1, 1)), *together([seen(0, 5, 1)])]),
    "the middle of a list": (
        "intermediate read",
        together([Append("a", 1), Append("a", 2)], [ReadList("a", (1,))], [ReadList("a", (1, 2))]),
    ),
    "the middle of a register": ("intermediate read", together([X1, Write("x", 2, 1)], [Read("x", 1)])),
    "a fork": (
        "forked list",
        together([Append("a", 1)], [Append("a", 2)], [ReadList("a", (1, 2))], [ReadList("a", (2,))]),
    ),
    "twice in a list": ("forked list", together([Append("a", 1)], [ReadList("a", (1, 1))])),
    "out of nowhere": ("unknown value", together([Read("x", 9)])),
    "out of nowhere in a list": ("unknown value", together([Append("a", 1)], [ReadList("a", (9, 1))])),
    "out of nowhere in a range": ("unknown value", together([seen(0, 5, 9)])),
    "in a range where it is not": ("unknown value", together([Add(7, 1)], [seen(0, 5, 1)])),
    "own append not seen": ("internal", together([Append("a", 1), ReadList("a", ())])),
    "own write not seen": ("internal", together([X1, Read("x", None)])),
    "own addition not seen": ("internal", together([Add(1, 1), seen(0, 5)])),
}


@pytest.mark.parametrize("name", ANOMALIES)
def test_an_anomaly_is_found(name: str) -> None:
    kind, history = ANOMALIES[name]
    anomaly = find_anomaly(history)
    assert anomaly is not None
    assert anomaly.kind == kind, str(anomaly)
    assert anomaly.executions


def test_an_anomaly_explains_itself() -> None:
    anomaly = find_anomaly(in_turn([X1], [Read("x", None)]))
    assert anomaly is not None
    assert str(anomaly).splitlines()[0] == "cycle: T1 -rw register x-> T0, T0 -real time-> T1"


@given(st.randoms(use_true_random=False), st.integers(0, 1))
def test_any_serial_execution_is_in_order_and_a_changed_read_is_not(chance: random.Random, changes: int) -> None:
    lists: dict[str, list[int]] = {"a": [], "b": []}
    registers: dict[str, int | None] = {"a": None, "b": None}
    points: dict[int, int] = {}
    history: list[list[Operation]] = []
    values = itertools.count(1)
    for _ in range(30):
        operations: list[Operation] = []
        for _ in range(chance.randint(1, 3)):
            key, point = chance.choice("ab"), chance.randrange(10)
            kind = chance.randrange(6)
            value = next(values)
            if kind == 0:
                lists[key].append(value)
                operations.append(Append(key, value))
            elif kind == 1:
                operations.append(ReadList(key, tuple(lists[key])))
            elif kind == 2:
                operations.append(Write(key, value, registers[key]))
                registers[key] = value
            elif kind == 3:
                operations.append(Read(key, registers[key]))
            elif kind == 4:
                points[value] = point
                operations.append(Add(point, value))
            else:
                inside = [each for each, at in points.items() if point <= at < point + 4]
                operations.append(seen(point, point + 4, *inside))
        history.append(operations)
    if not changes:
        assert find_anomaly(in_turn(*history)) is None
        return
    # Something that was there is not seen by the last read: in real time that is too late.
    last: Operation | None = None
    if points:
        last = seen(0, 20, *list(points)[1:])
    elif lists["a"]:
        last = ReadList("a", tuple(lists["a"][:-1]))
    if last is not None:
        assert find_anomaly(in_turn(*history, [last])) is not None
