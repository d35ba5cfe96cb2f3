from __future__ import annotations

import pytest

from convex_nb import SchemaDefinitionError
from convex_nb.functions.paths import check_path, join_path, usual_spelling


@pytest.mark.parametrize(
    ("written", "usual"),
    [
        ("tasks:list", "tasks:list"),
        ("tasks.py:list", "tasks:list"),
        ("tasks.ts:list", "tasks:list"),
        ("sub/tasks:list", "sub/tasks:list"),
        ("tasks:default", "tasks"),
        ("tasks", "tasks"),
        ("tasks.py", "tasks"),
        ("api.tasks.list", "tasks:list"),
        ("internal.sub.tasks.list", "sub/tasks:list"),
        ("api.recent", "recent"),
        ("api:list", "api:list"),
        ("nothing like a path", "nothing like a path"),
    ],
)
def test_equivalent_spellings(written: str, usual: str) -> None:
    assert usual_spelling(written) == usual
    assert usual_spelling(usual) == usual


@pytest.mark.parametrize(
    "path", ["", ":", "a:", ":b", "a:b:c", "a b:c", "/a:b", "a//b:c", "a:1", "a:b.c", "../a:b", 5, None]
)
def test_what_is_no_path_is_refused_where_it_is_written(path: object) -> None:
    with pytest.raises(SchemaDefinitionError, match="path"):
        check_path(path)


def test_a_function_in_no_module_is_its_name() -> None:
    assert join_path(None, "recent") == "recent"
    assert join_path("messages", "recent") == "messages:recent"
    assert join_path("messages", "default") == "messages"
