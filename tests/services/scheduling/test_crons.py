"""Crons: declaring, deploying, running, and what is skipped."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ActionCtx,
    ConvexNbError,
    FunctionNotFoundError,
    InvalidValueError,
    MutationCtx,
    SchedulingError,
    SchemaDefinitionError,
    SchemaValidationError,
    action,
    cron_jobs,
    define_schema,
    define_table,
    internal,
    mutation,
    v,
)
from convex_nb.deployment.jobs import scheduling
from convex_nb.services.scheduling.crons import CronJobs
from convex_nb.services.scheduling.scheduled_functions import INTERRUPTED
from convex_nb.testing import ConvexTest, VirtualClock
from tests.services.apps import FUNCTIONS, act, add_later, add_note, fail, list_notes, notes_of, scheduling_app
from tests.until import PATIENCE, until

WAIT = PATIENCE
MINUTE = 60_000.0


def every_minute(function: Any = add_note, **args: Any) -> CronJobs:
    crons = cron_jobs()
    crons.interval("tick", {"minutes": 1}, function, args)
    return crons


def said_by(test: ConvexTest) -> list[str]:
    return [line.message for line in test.deployment.logs]


def test_a_set_of_crons() -> None:
    crons = cron_jobs()
    assert repr(crons) == "no crons"
    crons.interval("often", {"seconds": 1}, add_note, {"text": "a"})
    crons.hourly("hourly", {"minute_utc": 1}, "notes:add")
    crons.daily("daily", {"hour_utc": 1, "minute_utc": 2}, internal.notes.add)
    crons.weekly("weekly", {"day_of_week": "friday", "hour_utc": 1, "minute_utc": 2}, add_note)
    crons.monthly("monthly", {"day": 1, "hour_utc": 1, "minute_utc": 2}, add_note)
    crons.cron("by expression", "1 2 3 4 5", add_note)
    assert repr(crons).splitlines()[:3] == [
        "often: Every second, notes:add",
        "hourly: At minute 1 of every hour (UTC), notes:add",
        "daily: At 01:02 every day (UTC), internal.notes.add",
    ]
    assert "by expression" in crons._repr_html_()


@pytest.mark.parametrize(
    ("name", "function", "args", "error", "message"),
    [
        ("", add_note, None, SchedulingError, "has a name"),
        (5, add_note, None, SchedulingError, "has a name"),
        ("taken", add_note, None, SchedulingError, "two crons with the name 'taken'"),
        ("a", list_notes, None, SchedulingError, "is a query"),
        ("a", print, None, SchedulingError, "give a path"),
        ("a", add_note, {"text": {1}}, InvalidValueError, "An argument of the cron 'a'"),
    ],
)
def test_what_is_no_cron(name: Any, function: Any, args: Any, error: type[ConvexNbError], message: str) -> None:
    crons = cron_jobs()
    crons.cron("taken", "* * * * *", add_note)
    with pytest.raises(error, match=message):
        crons.cron(name, "* * * * *", function, args)
    assert list(crons.jobs) == ["taken"]


def test_an_interval_runs_when_it_is_deployed_and_then_every_so_often() -> None:
    with scheduling_app() as test:
        test.deployment.push(crons=every_minute(text="tick"))
        test.advance(0)
        assert notes_of(test.deployment) == ["tick"]
        start = test.clock.now
        test.advance(2.5 * MINUTE)
        times = test.run(lambda ctx: [note["at"] - start for note in ctx.db.query("notes").collect()])
        assert times == [0, MINUTE, 2 * MINUTE]


def test_a_cron_expression_runs_at_its_times() -> None:
    with scheduling_app() as test:
        crons = cron_jobs()
        crons.daily("daily", {"hour_utc": 9, "minute_utc": 30}, act, {"text": "good morning"})
        test.deployment.push(crons=crons)
        test.advance(9.5 * 60 * MINUTE - 1)
        assert notes_of(test.deployment) == []
        test.advance(1)
        test.finish_in_progress_scheduled_functions()
        assert notes_of(test.deployment) == ["good morning"]
        test.advance(48 * 60 * MINUTE)
        test.finish_in_progress_scheduled_functions()
        assert len(notes_of(test.deployment)) == 3


def test_the_same_crons_again_change_nothing() -> None:
    with scheduling_app() as test:
        test.deployment.push(crons=every_minute())
        test.advance(0.5 * MINUTE)
        before = dict(test.deployment.schedules.crons["tick"])
        timestamp = test.deployment.timestamp
        test.deployment.push(crons=every_minute())
        test.deployment.push(define_schema({}))
        assert test.deployment.schedules.crons["tick"] == before
        assert test.deployment.timestamp > timestamp  # of the schema
        assert said_by(test) == ['The cron "tick" was added.']


def test_deploying_is_a_difference() -> None:
    with scheduling_app() as test:
        dep = test.deployment
        crons = every_minute()
        crons.cron("kept", "0 0 * * *", add_note)
        dep.push(crons=crons)
        test.advance(0.5 * MINUTE)
        assert len(dep.schedules.crons.runs("tick")) == 1
        changed = cron_jobs()
        changed.cron("kept", "0 0 * * *", add_note, {"text": "with an argument"})
        changed.cron("new", "0 12 * * *", add_note)
        dep.push(crons=changed)
        assert list(dep.schedules.crons) == ["kept", "new"]
        assert dep.schedules.crons.runs("tick") == []
        assert said_by(test)[2:] == [
            'The cron "tick" was deleted.',
            'The cron "kept" was updated.',
            'The cron "new" was added.',
        ]
        dep.push(crons=cron_jobs())
        assert len(dep.schedules.crons) == 0
        test.advance(48 * 60 * MINUTE)
        assert notes_of(dep) == [""]


def test_a_changed_schedule_gets_a_new_time() -> None:
    with scheduling_app() as test:
        crons = cron_jobs()
        crons.cron("tick", "0 0 * * *", add_note)
        test.deployment.push(crons=crons)
        test.deployment.push(crons=every_minute())
        assert test.deployment.schedules.crons["tick"]["nextRun"] == test.clock.now


def test_what_cannot_be_deployed_changes_nothing() -> None:
    with scheduling_app() as test:
        dep = test.deployment
        test.run(lambda ctx: ctx.db.insert("notes", {"text": 5}))
        wrong = define_schema({"notes": define_table({"text": v.string()})})
        right = define_schema({"notes": define_table({"text": v.number()})})
        with pytest.raises(SchemaValidationError):
            dep.push(wrong, crons=every_minute())
        for crons, error, message in (
            (every_minute("notes:gone"), FunctionNotFoundError, "Could not find"),
            (every_minute("notes:list"), SchedulingError, "is a query"),
            ({"tick": 1}, SchedulingError, "takes `cron_jobs"),
        ):
            with pytest.raises(error, match=message):
                dep.push(right, crons=crons)  # type: ignore[arg-type]
        with pytest.raises(SchemaDefinitionError):
            dep.push()
        assert (dep.schema, len(dep.schedules.crons)) == (None, 0)
        dep.push(right, crons=every_minute())
        assert (dep.schema, len(dep.schedules.crons)) == (right, 1)


def test_a_run_that_fails_does_not_stop_later_ones() -> None:
    with scheduling_app() as test:
        test.deployment.push(crons=every_minute(fail, text="no luck"))
        test.advance(1.5 * MINUTE)
        runs = test.deployment.schedules.crons.runs("tick")
        assert [run["state"] for run in runs] == [{"kind": "failed", "error": "ValueError: no luck"}] * 2
        assert notes_of(test.deployment) == []
        id = test.deployment.schedules.crons["tick"]["_id"]
        failures = [each for each in test.deployment.logs.executions if each.status == "failure"]
        assert [each.job_id for each in failures] == [id, id]


def test_runs_of_one_cron_never_overlap_and_what_they_miss_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "GRACE_SECONDS", 0.01)
    go_on = threading.Event()
    running: list[str] = []

    @action("notes:slow")
    async def slow(ctx: ActionCtx) -> None:
        running.append("begin")
        await asyncio.to_thread(go_on.wait, WAIT)
        running.append("end")

    with scheduling_app() as test:
        test.deployment.register(slow)
        crons = cron_jobs()
        crons.interval("slow", {"seconds": 1}, slow)
        test.deployment.push(crons=crons)
        test.advance(3000)
        until(lambda: running == ["begin"])
        assert "nextRun" not in test.deployment.schedules.crons["slow"]
        assert "running" in repr(test.deployment.schedules.crons)
        go_on.set()
        test.finish_in_progress_scheduled_functions()
        assert running == ["begin", "end"]
        assert said_by(test)[1:] == [
            'The cron "slow" skipped 3 runs: the run of 2025-01-01 00:00:00 UTC ended after them.'
        ]
        test.advance(1000)
        test.finish_in_progress_scheduled_functions()
        assert running == ["begin", "end"] * 2


def test_an_action_that_moves_the_clock_itself_is_not_started_again_meanwhile() -> None:
    begun: list[float] = []

    with scheduling_app() as test:

        @action("notes:takes_time")
        def takes_time(ctx: ActionCtx) -> None:
            begun.append(ctx.now())
            test.advance(3000)

        test.deployment.register(takes_time)
        crons = cron_jobs()
        crons.interval("slow", {"seconds": 1}, takes_time)
        test.deployment.push(crons=crons)
        start = test.clock.now
        test.advance(0)
        test.finish_in_progress_scheduled_functions()
        assert begun == [start]
        assert test.deployment.schedules.crons["slow"]["nextRun"] == start + 4000


def test_a_pause_loses_ticks_and_keeps_jobs() -> None:
    with scheduling_app() as test:
        dep = test.deployment
        crons = cron_jobs()
        crons.cron("tick", "* * * * *", add_note, {"text": "tick"})
        dep.push(crons=crons)
        for text in ("a", "b"):
            test.mutation(add_later, text=text, ms=MINUTE)
        dep.pause()
        test.advance(2.5 * MINUTE)
        dep.resume()
        assert notes_of(dep) == ["a", "b"]
        assert said_by(test)[1:] == ['The cron "tick" skipped 2 runs: the deployment was paused.']
        test.advance(MINUTE)
        assert notes_of(dep) == ["a", "b", "tick"]
        dep.resume()


def test_a_cron_that_was_changed_while_it_ran_goes_on_by_its_new_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "GRACE_SECONDS", 0.01)
    begun, go_on = threading.Event(), threading.Event()

    @action("notes:slow")
    def slow(ctx: ActionCtx) -> None:
        begun.set()
        go_on.wait(WAIT)

    with scheduling_app() as test:
        dep = test.deployment
        dep.register(slow)
        dep.push(crons=every_minute(slow))
        start = test.clock.now
        test.advance(0)
        assert begun.wait(WAIT)
        changed = cron_jobs()
        changed.interval("tick", {"hours": 1}, slow)
        dep.push(crons=changed)
        assert "nextRun" not in dep.schedules.crons["tick"]
        go_on.set()
        test.finish_in_progress_scheduled_functions()
        assert dep.schedules.crons["tick"]["nextRun"] == start + 60 * MINUTE


def test_a_cron_that_was_removed_while_it_ran_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "GRACE_SECONDS", 0.01)
    begun, go_on = threading.Event(), threading.Event()

    @action("notes:slow")
    def slow(ctx: ActionCtx) -> None:
        begun.set()
        go_on.wait(WAIT)
        ctx.scheduler.run_after(0, add_note, text="scheduled by it")

    with scheduling_app() as test:
        test.deployment.register(slow)
        test.deployment.push(crons=every_minute(slow))
        test.advance(0)
        assert begun.wait(WAIT)
        test.deployment.push(crons=cron_jobs())
        go_on.set()
        test.finish_all_scheduled_functions()
        assert notes_of(test.deployment) == ["scheduled by it"]
        assert len(test.deployment.schedules.crons) == 0
        assert test.deployment.table("_scheduled_functions").count() == 1


def test_a_history_of_a_hundred_runs_is_kept() -> None:
    with scheduling_app() as test:
        test.deployment.push(crons=every_minute())
        test.advance(110 * MINUTE)
        runs = test.deployment.schedules.crons.runs("tick")
        assert len(runs) == 100
        assert runs[0]["scheduledTime"] - runs[-1]["scheduledTime"] == 99 * MINUTE


def test_they_can_be_looked_at() -> None:
    with scheduling_app() as test:
        crons = test.deployment.schedules.crons
        assert repr(crons) == "no crons"
        test.deployment.push(crons=every_minute(text="a"))
        assert repr(crons) == "tick  Every minute  notes:add  2025-01-01 00:00:00  none yet"
        test.advance(0)
        assert repr(crons).endswith("2025-01-01 00:01:00  success")
        assert "<td>Every minute</td>" in crons._repr_html_()
        (row,) = crons.df().to_dict("records")
        assert (row["name"], row["schedule"], row["function"], row["args"]) == (
            "tick",
            "Every minute",
            "notes:add",
            {"text": "a"},
        )
        assert str(row["next"]) == "2025-01-01 00:01:00+00:00"
        with pytest.raises(KeyError):
            crons["gone"]


def test_by_the_machines_clock() -> None:
    with convex_nb.open() as dep:
        dep.register(*FUNCTIONS)
        crons = cron_jobs()
        crons.interval("often", {"seconds": 1}, add_note, {"text": "tick"})
        ticked = threading.Event()
        dep.subscribe(list_notes, {}, lambda notes: ticked.set() if len(notes) >= 2 else None)
        dep.push(crons=crons)
        assert ticked.wait(WAIT)
        # A run may be late, but it is of a time of its own.
        times = sorted(run["scheduledTime"] for run in dep.schedules.crons.runs("often"))
        assert times[1] - times[0] >= 1000


def test_they_survive_in_the_file_and_catch_up_without_a_storm(tmp_path: Path) -> None:
    path = tmp_path / "a.convex"
    clock = VirtualClock()
    with convex_nb.open(path, clock=clock) as dep:
        dep.register(*FUNCTIONS)
        dep.push(crons=every_minute(text="tick"))
        clock.advance(0)
    clock.advance(60 * MINUTE + 1)
    with convex_nb.open(path, clock=clock) as dep:
        clock.advance(1)
        assert list(dep.schedules.crons) == ["tick"]
        dep.register(*FUNCTIONS)
        clock.advance(1)
        assert notes_of(dep) == ["tick", "tick"]
        assert [line.message for line in dep.logs] == [
            'The cron "tick" skipped 59 runs: the run of 2025-01-01 00:01:00 UTC ended after them.'
        ]
        clock.advance(MINUTE)
        assert notes_of(dep) == ["tick"] * 3


KILLED = """
import os, sys
import convex_nb
from convex_nb import action, cron_jobs

dep = convex_nb.open(sys.argv[1])

@action("notes:dies")
def dies(ctx):
    os._exit(9)

dep.register(dies)
crons = cron_jobs()
crons.interval("tick", {"hours": 1}, dies)
dep.push(crons=crons)
import time
time.sleep(60)
"""


def test_a_process_that_is_killed_ends_its_run(tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    path = tmp_path / "a.convex"
    ended = subprocess.run([sys.executable, str(script), str(path)], timeout=120, check=False, cwd=Path.cwd())
    assert ended.returncode == 9
    with convex_nb.open(path) as dep:
        cron = dep.schedules.crons["tick"]
        (run,) = dep.schedules.crons.runs("tick")
        assert run["state"] == {"kind": "failed", "error": INTERRUPTED}
        assert cron["state"] == {"kind": "pending"}
        assert cron["nextRun"] == run["scheduledTime"] + 60 * MINUTE


def test_a_module_that_is_loaded_brings_its_crons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cron_app"
    folder.mkdir()
    (folder / "notes.py").write_text(
        "from convex_nb import internal_mutation\n\n@internal_mutation\ndef clear(ctx):\n    pass\n"
    )
    (folder / "crons.py").write_text(
        "from convex_nb import cron_jobs, internal\n\n"
        "crons = cron_jobs()\n"
        'crons.interval("clear", {"minutes": 1}, internal.notes.clear)\n'
    )
    monkeypatch.chdir(tmp_path)
    with convex_nb.open(clock=VirtualClock()) as dep:
        dep.load("./cron_app")
        assert dep.schedules.crons["clear"]["function"] == "notes:clear"
        dep.load("./cron_app")
        assert [line.message for line in dep.logs] == ['The cron "clear" was added.']
        (folder / "other.py").write_text("from convex_nb import cron_jobs\n\ncrons = cron_jobs()\n")
        with pytest.raises(SchedulingError, match=r"crons and other of .* each define `crons`"):
            dep.load("./cron_app")


def test_nobody_is_logged_in_inside_a_cron() -> None:
    @mutation("notes:who")
    def who(ctx: MutationCtx) -> None:
        ctx.db.insert("notes", {"text": str(ctx.auth.get_user_identity())})

    with scheduling_app() as test:
        test.deployment.register(who)
        test.deployment.push(crons=every_minute(who))
        test.advance(0)
        assert notes_of(test.deployment) == ["None"]
