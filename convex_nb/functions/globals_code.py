"""Which global names the code of a function reads, rebinds and changes, found without running it."""

from __future__ import annotations

import dis
from functools import lru_cache
from types import CodeType
from typing import Final, NamedTuple

_READS: Final = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_BINDS: Final = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_METHODS: Final = frozenset({"LOAD_METHOD", "LOAD_ATTR"})
_ITEMS: Final = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})
_FILLERS: Final = frozenset({"CACHE", "PUSH_NULL", "PRECALL", "RESUME", "EXTENDED_ARG", "NOT_TAKEN"})
_CHANGING: Final = frozenset(
    {
        *("append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse"),
        *("add", "discard", "update", "setdefault", "popitem"),
    }
)


class Change(NamedTuple):
    """A place in code that changes what a global name stands for, or the value that it stands for."""

    name: str
    line: int
    is_rebinding: bool


class GlobalNames(NamedTuple):
    """What a piece of code does with global names, the code nested in it included."""

    read: frozenset[str]
    changes: tuple[Change, ...]


@lru_cache(maxsize=4096)
def global_names(code: CodeType) -> GlobalNames:
    """Find the global names of a code object. Costs O(instructions), the first time."""
    read: set[str] = set()
    changes: list[Change] = []
    line = code.co_firstlineno
    # The global names that the last two instructions loaded: enough for `seen.append(x)` and `seen[key] = x`.
    former = last = None
    for instruction in dis.get_instructions(code):
        if instruction.starts_line is not None:
            line = _line_of(instruction, line)
        operation = instruction.opname
        if operation in _FILLERS:
            continue
        loaded = None
        if operation in _READS:
            loaded = instruction.argval
            if loaded != "__name__":  # which the body of a class reads, and nobody rebinds
                read.add(loaded)
        elif operation in _BINDS:
            changes.append(Change(instruction.argval, line, True))
        elif operation in _METHODS and last is not None and instruction.argval in _CHANGING:
            changes.append(Change(last, line, False))
        elif operation in _ITEMS and former is not None:
            changes.append(Change(former, line, False))
        former = last if operation.startswith("LOAD_") else None
        last = loaded
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            nested = global_names(constant)
            read |= nested.read
            changes += nested.changes
    return GlobalNames(frozenset(read), tuple(changes))


def _line_of(instruction: dis.Instruction, line: int) -> int:
    # Since Python 3.13 `starts_line` is a flag.
    number = getattr(instruction, "line_number", instruction.starts_line)
    return line if number is None else int(number)
