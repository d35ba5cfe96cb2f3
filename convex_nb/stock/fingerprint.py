"""Telling whether the code of a function is another one than before, in this process or in an earlier one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from hashlib import blake2b
from types import CodeType
from typing import Any


def fingerprint(handler: Callable[..., Any]) -> str:
    """What is the same for the same code, wherever it stands."""
    digest = blake2b(digest_size=16)
    for part in _parts(inspect.unwrap(handler).__code__):
        digest.update(repr(part).encode())
    return digest.hexdigest()


def _parts(code: CodeType) -> Iterator[object]:
    yield code.co_code, code.co_names, code.co_varnames, code.co_freevars
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)
        else:
            # The order of a set of strings is another one in each process.
            yield sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant
