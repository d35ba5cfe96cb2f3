from __future__ import annotations

import textwrap
from types import CodeType

import pytest

from convex_nb.functions.globals_code import global_names


def code_of(source: str) -> CodeType:
    namespace: dict[str, object] = {}
    exec(textwrap.dedent(source), namespace)
    function = namespace["f"]
    code = getattr(function, "__code__", None)
    assert isinstance(code, CodeType)
    return code


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("return A", {"A"}),
        ("return a", set()),
        ("return [A for x in B if x in C]", {"A", "B", "C"}),
        ("return lambda: A", {"A"}),
        ("return A.b.c", {"A"}),
        ("class Inner:\n        x = A\n        def m(self): return B", {"A", "B"}),
        ("def inner(): return A\n    return inner()", {"A"}),
        ("A = 1\n    return A", set()),
        ("return len(a)", {"len"}),
        ("return f'{A}' if B else (yield C)", {"A", "B", "C"}),
        ("with A as b: pass", {"A"}),
        ("try: pass\n    except A: pass", {"A"}),
    ],
)
def test_the_names_that_code_reads(body: str, read: set[str]) -> None:
    assert global_names(code_of(f"def f(a):\n    {body}\n")).read == read


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        ("global A; A = 1", [("A", True)]),
        ("global A; A += 1", [("A", True)]),
        ("global A; del A", [("A", True)]),
        ("def inner():\n        global A\n        A = a", [("A", True)]),
        ("A.append(a)", [("A", False)]),
        ("A.update(x=a)", [("A", False)]),
        ("A[a] = 1", [("A", False)]),
        ("A['k'] = a", [("A", False)]),
        ("del A[a]", [("A", False)]),
        ("A.sorted(a)", []),
        ("return A[a]", []),
        ("a.append(A)", []),
        ("a[A] = 1", []),
        ("a['x'] = A", []),
        ("b = []\n    b.append(A)\n    b[0] = A", []),
        ("return A.b(a).append", []),
    ],
)
def test_the_names_that_code_rebinds_or_changes(body: str, changes: list[tuple[str, bool]]) -> None:
    found = global_names(code_of(f"def f(a):\n    {body}\n")).changes
    assert [(change.name, change.is_rebinding) for change in found] == changes


def test_a_change_is_at_its_line() -> None:
    found = global_names(code_of("def f(a):\n    x = 1\n    seen.append(\n        a)\n")).changes
    assert [change.line for change in found] == [3]
