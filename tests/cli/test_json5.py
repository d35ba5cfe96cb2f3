from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb import Int64, InvalidValueError, same_value
from convex_nb.cli.json5 import read_json5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{name: 'Ada', age: 36,}", {"name": "Ada", "age": 36}),
        ("[1, 2,]", [1, 2]),
        ("{}", {}),
        ("[ ]", []),
        ("{_a$: .5, b: 5., c: +1, d: -0x1F, e: -1e3}", {"_a$": 0.5, "b": 5.0, "c": 1, "d": -31, "e": -1000.0}),
        ("[Infinity, -Infinity, NaN]", [inf, -inf, nan]),
        ("// of a shell\n[true, /* all */ null]", [True, None]),
        (
            r"""['it\'s', "say \"hi\"", 'say "hi"', '\x41\u0042\t\v\0\q']""",
            ["it's", 'say "hi"', 'say "hi"', "AB\t\v\0q"],
        ),
        ("'one \\\nline'", "one line"),
        ("'é€😀'", "é€😀"),
        ("{n: {$integer: 'BQAAAAAAAAA='}}", {"n": Int64(5)}),
        ("{true: true}", {"true": True}),
    ],
)
def test_what_is_more_than_json(text: str, value: Any) -> None:
    assert same_value(read_json5(text), value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{a}",
        "{a: b}",
        "{a: 1,,}",
        "[,]",
        "{,}",
        "[1 2]",
        "'a",
        "{a: 'b\nc'}",
        "{a: undefined}",
        "1; 2",
        "[1}",
        "{'a' 1}",
    ],
)
def test_what_is_no_json5_either(text: str) -> None:
    with pytest.raises(InvalidValueError):
        read_json5(text)


@given(st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | st.text(), st.lists, max_leaves=5))
def test_json_is_json5(value: Any) -> None:
    assert read_json5(f"[{json.dumps(value)},]") == [value]
