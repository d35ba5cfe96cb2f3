"""Which rows a reader wants to see: the words of the box above a table."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from convex_nb.language.values import UNDEFINED
from convex_nb.views.cells import number_text, preview

ROWS_MOST: Final = 200_000
"""Rows that are looked at; a filter goes through all of them again after each commit."""
TEXT_MOST: Final = 10_000
"""Characters of one value that are looked at."""
_TERM: Final = re.compile(r'(?:([^\s:=<>!"]+)(:|!=|>=|<=|=|>|<))?(?:"([^"]*)"?|(\S+))')
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}

Test: TypeAlias = Callable[[Mapping[str, Any]], bool]


class RowFilter:
    """Terms that a row meets all of.

    `word` and `"some words"` stand anywhere in the row, `field:word` in one field, letters in either case;
    `field=value`, `!=`, `<`, `<=`, `>`, `>=` compare, numbers as numbers and all else as text. There is no wrong
    filter: what names no field is a word.
    """

    def __init__(self, text: str, fields: Sequence[str] = ()) -> None:
        self.text = text
        known = set(fields)
        self._tests = [_test(match, known) for match in _TERM.finditer(text)]

    def __bool__(self) -> bool:
        return bool(self._tests)

    def rows(self, rows: Sequence[Any]) -> list[Any]:
        """Return the rows that pass, of the first `ROWS_MOST`. O(n)."""
        looked_at = rows if len(rows) <= ROWS_MOST else rows[:ROWS_MOST]
        return [row for row in looked_at if isinstance(row, Mapping) and all(test(row) for test in self._tests)]


def _test(term: re.Match[str], known: set[str]) -> Test:
    field, sign, quoted, bare = term.groups()
    word: str = bare if quoted is None else quoted
    if field is None or sign is None or field not in known:
        needle = (word if field is None else term.group()).casefold()
        return lambda row: any(needle in _text(value) for value in row.values())
    if sign == ":":
        part = word.casefold()
        return lambda row: part in _text(row.get(field, UNDEFINED))
    compare, number, text = _COMPARE[sign], _number(word), word.casefold()

    def test(row: Mapping[str, Any]) -> bool:
        value = row.get(field, UNDEFINED)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return number is not None and compare(value, number)
        if value is UNDEFINED:
            return sign == "!="
        return compare(_text(value), text)

    return test


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value[:TEXT_MOST].casefold()
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    return "" if value is UNDEFINED else preview(value, TEXT_MOST).casefold()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
