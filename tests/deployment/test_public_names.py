from __future__ import annotations

import builtins
import subprocess
import sys

import convex_nb


def test_every_public_name_is_where_it_is_said_to_be() -> None:
    names = [name for name in dir(convex_nb) if not name.startswith("_")]
    assert {"open", "query", "mutation", "api", "internal", "v", "live", "SKIP", "current"} <= set(names)
    for name in names:
        assert getattr(convex_nb, name) is not None


def test_what_is_not_there_is_not() -> None:
    assert not hasattr(convex_nb, "action_that_is_not_there")


def test_a_star_import_leaves_open_alone() -> None:
    namespace: dict[str, object] = {}
    exec("from convex_nb import *", namespace)
    assert namespace.get("open", builtins.open) is builtins.open
    assert namespace["query"] is convex_nb.query


def test_opening_needs_no_notebook() -> None:
    heavy = ("IPython", "ipywidgets", "pandas", "duckdb")
    code = f"import sys, convex_nb; convex_nb.open(); print(*[name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("", "")
