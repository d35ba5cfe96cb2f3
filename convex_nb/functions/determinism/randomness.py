"""Randomness from a seed: `random`, `uuid`, `secrets`, `os.urandom` and `numpy.random` in a query or mutation.

Most of it ends in `os.urandom`: `secrets`, `uuid4`, `SystemRandom`, and a `default_rng()` without a seed. What has a
state in common, the functions of `random` and of `numpy.random`, gets a state for each call of a function.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable, Iterator
from functools import partial, wraps
from itertools import count
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from convex_nb.functions.determinism.clock import Replacement, moment
from convex_nb.functions.determinism.stand_in import StandIn, deterministic

if TYPE_CHECKING:
    from convex_nb.functions.execution import Execution

_GREGORIAN: Final = 0x01B21DD213814000
"""The Unix epoch in hundreds of nanoseconds since the calendar's reform, which is how UUIDs count."""


class Sources:
    """What the library's random functions draw from in one attempt of a call; apart from `ctx.random`, which a library
    that draws a number more must not move.

    `entropy` stands for the operating system's, `python` for the state behind the functions of `random`.
    """

    def __init__(self, seed: int) -> None:
        self.entropy = random.Random(seed)
        self.python = random.Random(self.entropy.getrandbits(64))
        self.ticks = count()
        self._numpy: Any = None

    @property
    def numpy(self) -> Any:
        """The state behind the functions of `numpy.random`."""
        if self._numpy is None:
            from numpy.random import RandomState

            self._numpy = RandomState(self.entropy.getrandbits(32))
        return self._numpy


def sources(execution: Execution) -> Sources:
    """The sources of a call, made when they are first asked for."""
    found = execution.sources
    if found is None:
        # Not the seed that `ctx.random` begins with.
        found = execution.sources = Sources(execution.seed ^ 1)
    return found


def replacements() -> Iterator[Replacement]:
    """What seeds everything but numpy."""
    urandom = StandIn("os", "urandom", os.urandom, lambda execution, size: sources(execution).entropy.randbytes(size))
    yield os, "urandom", urandom
    yield random, "_urandom", urandom
    yield random.Random, "seed", _seed
    state = random._inst
    for name, function in vars(random).items():
        if getattr(function, "__self__", None) is state:
            yield random, name, StandIn("random", name, function, partial(_draw, name))
    for name, inside in (("uuid1", _uuid1), ("uuid6", _uuid6), ("uuid7", _uuid7)):
        if hasattr(uuid, name):
            yield uuid, name, StandIn("uuid", name, getattr(uuid, name), inside)


def replacements_of_numpy(numpy_random: ModuleType) -> Iterator[Replacement]:
    """What seeds the functions of `numpy.random` that share a state."""
    state = numpy_random.rand.__self__
    others = {"seed": "seed", "ranf": "random_sample", "sample": "random_sample"}
    for name in numpy_random.__all__:
        function = getattr(numpy_random, name)
        if name in others or getattr(function, "__self__", None) is state:
            inside = partial(_draw_numpy, others.get(name, name))
            yield numpy_random, name, StandIn("numpy.random", name, function, inside)


def _draw(name: str, execution: Execution, *args: Any, **kwargs: Any) -> Any:
    return getattr(sources(execution).python, name)(*args, **kwargs)


def _draw_numpy(name: str, execution: Execution, *args: Any, **kwargs: Any) -> Any:
    return getattr(sources(execution).numpy, name)(*args, **kwargs)


_real_seed: Final[Callable[..., None]] = random.Random.seed


@wraps(_real_seed)
def _seed(self: random.Random, a: Any = None, version: int = 2) -> None:
    # `Random()` comes here too.
    if a is None:
        execution = deterministic()
        if execution is not None:
            a = sources(execution).entropy.getrandbits(256)
    _real_seed(self, a, version)


def _uuid1(execution: Execution, node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    ticks, clock_seq, node = _ticks_of(execution, node, clock_seq)
    return _uuid(1, ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48, clock_seq, node)


def _uuid6(execution: Execution, node: int | None = None, clock_seq: int | None = None) -> uuid.UUID:
    ticks, clock_seq, node = _ticks_of(execution, node, clock_seq)
    return _uuid(6, ticks >> 28, ticks >> 12 & 0xFFFF, ticks & 0xFFF, clock_seq, node)


def _uuid7(execution: Execution) -> uuid.UUID:
    drawn = sources(execution)
    milliseconds = int(moment(execution))
    counter = next(drawn.ticks) & 0xFFF
    bits = drawn.entropy.getrandbits
    return _uuid(7, milliseconds >> 16, milliseconds & 0xFFFF, counter, bits(14), bits(48))


def _ticks_of(execution: Execution, node: int | None, clock_seq: int | None) -> tuple[int, int, int]:
    drawn = sources(execution)
    ticks = round(moment(execution) * 1e4) + _GREGORIAN + next(drawn.ticks)
    # The bit says that this is nobody's hardware address.
    node = drawn.entropy.getrandbits(48) | 1 << 40 if node is None else node
    return ticks, drawn.entropy.getrandbits(14) if clock_seq is None else clock_seq, node


def _uuid(version: int, low: int, middle: int, high: int, clock_seq: int, node: int) -> uuid.UUID:
    head = low << 32 | middle << 16 | version << 12 | high & 0x0FFF
    return uuid.UUID(int=head << 64 | 0x8000 << 48 | (clock_seq & 0x3FFF) << 48 | node)
