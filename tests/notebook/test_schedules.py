"""`%convex schedules` and `%convex env`."""

from __future__ import annotations

import threading

import pytest

from convex_nb import current
from tests.notebook.conftest import Notebook
from tests.until import PATIENCE, until

DEFINE = """
from convex_nb import internal_mutation, mutation, cron_jobs

@internal_mutation
def clear(ctx, why: str = ""):
    raise ValueError("no luck")

@mutation
def later(ctx, ms: float = 0.0):
    return ctx.scheduler.run_after(ms, clear, why="it is time")
"""


def test_schedules_show_crons_and_jobs(notebook: Notebook) -> None:
    empty = notebook.ok("%convex schedules").value
    assert empty.rows == []
    assert "run_after" in empty.caption
    notebook.ok(DEFINE)
    notebook.ok("crons = cron_jobs()\ncrons.daily('clean up', {'hour_utc': 3, 'minute_utc': 30}, clear)")
    notebook.ok("import convex_nb\nconvex_nb.current().push(crons=crons)")
    notebook.ok("later(ms=3_600_000)")
    notebook.ok("convex_nb.current().schedules.cancel(later(ms=60_000))")
    (cron, pending, canceled) = notebook.ok("%convex schedules").value.rows
    assert cron[1:] == ["cron", "clear", "clean up: At 03:30 every day (UTC)"]
    assert pending[1:] == ["pending", "clear", 'why="it is time"']
    assert canceled[1] == "canceled"
    assert "03:30:00" in cron[0]


def test_a_view_of_jobs_moves_while_no_cell_runs(notebook: Notebook) -> None:
    gate = threading.Event()
    notebook.shell.user_ns["wait"] = lambda: gate.wait(PATIENCE)
    notebook.ok(
        "from convex_nb import action, live, mutation, query\n\n"
        "@action\ndef waits(ctx):\n    assert wait()\n\n"
        "@mutation\ndef later(ctx):\n    ctx.scheduler.run_after(0, waits)\n\n"
        "@query\ndef jobs(ctx):\n"
        "    return [job['state']['kind'] for job in ctx.db.system.query('_scheduled_functions').collect()]\n"
        "view = live(jobs)\nview"
    )
    notebook.ok("later()")
    view = notebook["view"]
    until(lambda: view.value == ["inProgress"])
    gate.set()
    until(lambda: view.value == ["success"])


def test_env_shows_names_and_no_values(notebook: Notebook) -> None:
    assert "No environment variables yet." in notebook.ok("%convex env").text
    for line, value in (("set KEY s3cr3t", "s3cr3t"), ("set KEY 'two words'", "two words"), ("set KEY a  b", "a  b")):
        ran = notebook.ok(f"%convex env {line}")
        assert value not in ran.text
        assert current().env["KEY"] == value
    listed = notebook.ok("%convex env")
    assert listed.value.rows == [["KEY", "•••"]]
    notebook.ok("%convex env unset KEY")
    assert not current().env


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("set KEY", "takes nothing after it, `set NAME VALUE`"),
        ("KEY", "takes nothing after it"),
        ("unset KEY", "there is no environment variable 'KEY'"),
        ("set 1KEY x", "a letter first"),
    ],
)
def test_wrong_usage_of_env(notebook: Notebook, line: str, said: str) -> None:
    assert said in notebook.run(f"%convex env {line}").text
