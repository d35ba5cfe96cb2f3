from __future__ import annotations

import pytest

from convex_nb import api, internal, internal_query, query, set_current
from convex_nb.functions.references import Reference, path_of, visibility_of
from tests.functions.apps import open_app


@pytest.mark.parametrize(
    ("reference", "path", "visibility", "shown"),
    [
        (api.tasks.list, "tasks:list", "public", "api.tasks.list"),
        (internal.sub.tasks.list, "sub/tasks:list", "internal", "internal.sub.tasks.list"),
        (api.recent, "recent", "public", "api.recent"),
        (api.tasks.default, "tasks", "public", "api.tasks.default"),
        (api.files.path, "files:path", "public", "api.files.path"),
    ],
)
def test_a_reference_spells_a_path(reference: Reference, path: str, visibility: str, shown: str) -> None:
    assert path_of(reference) == path
    assert visibility_of(reference) == visibility
    assert repr(reference) == shown


def test_references_are_equal_by_what_they_spell() -> None:
    assert api.tasks.list == api.tasks.list
    assert len({api.tasks.list, api.tasks.list, internal.tasks.list}) == 2
    assert api.tasks.list != "tasks:list"


def test_what_notebooks_probe_for_is_not_there() -> None:
    assert not hasattr(api.tasks, "_repr_html_")
    assert not hasattr(api, "__wrapped__")


def test_completion_offers_what_is_registered() -> None:
    with open_app() as dep:
        set_current(dep)
        dep.register(internal_query("sub/deep:secret")(lambda ctx: 1), query("recent")(lambda ctx: 1))
        assert dir(api) == ["counters", "recent", "tasks"]
        assert dir(api.tasks) == ["add", "finish", "get", "list"]
        assert dir(api.tasks.list) == []
        assert (dir(internal), dir(internal.sub), dir(internal.sub.deep)) == (["sub"], ["deep"], ["secret"])
    set_current(None)
    assert dir(api) == []
