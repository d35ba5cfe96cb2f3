"""What Tab offers after `api.` and `internal.`."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter

from tests.notebook.conftest import Notebook

NESTED = """
from convex_nb import api, internal, internal_query, query
@query("a/b/c:deep")
def deep(ctx): ...
@query("a/b:near")
def near(ctx): ...
@internal_query("a/b:hidden")
def hidden(ctx): ...
other = {"a": 1}
"""


def offered(notebook: Notebook, text: str) -> list[str]:
    with provisionalcompleter():
        found = notebook.shell.Completer.completions(text, len(text))
        return sorted({text[: each.start] + each.text for each in found if each.type == "convex"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api.", ["api.a", "api.messages"]),
        ("api.a.", ["api.a.b"]),
        ("api.a.b.", ["api.a.b.c", "api.a.b.near"]),
        ("api.a.b.c.d", ["api.a.b.c.deep"]),
        ("internal.a.b.", ["internal.a.b.hidden"]),
        ("dep.query(api.messages.re", ["dep.query(api.messages.recent"]),
        ("x = [api.a.b.c.", ["x = [api.a.b.c.deep"]),
        ("other.", []),
        ("my.api.a.", []),
        ("api.absent.", []),
    ],
)
def test_names_after_a_reference(chat: Notebook, text: str, expected: list[str]) -> None:
    chat.ok(NESTED)
    assert offered(chat, text) == expected


def test_what_is_defined_anew_or_dropped_is_known_at_once(chat: Notebook) -> None:
    chat.ok(NESTED)
    chat.ok('deeper = query("a/b/c:deeper")(lambda ctx: 2)')
    chat.ok("%convex drop a/b/c:deep")
    assert offered(chat, "api.a.b.c.") == ["api.a.b.c.deeper"]
    chat.ok('from convex_nb import internal_query\nnear = internal_query("a/b:near")(lambda ctx: 2)')
    assert offered(chat, "api.a.b.") == ["api.a.b.c"]
    assert offered(chat, "internal.a.b.n") == ["internal.a.b.near"]
