"""The proofs of scheduling, at length."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

import convex_nb
from tests.services.scheduling_machine import SchedulingMachine

pytestmark = pytest.mark.soak

WORKING = """
import sys, time
import convex_nb
from convex_nb import action, mutation

@mutation("work:write")
def write(ctx, number, kind):
    ctx.db.insert("written", {"number": number, "kind": kind})

@mutation("work:contended")
def contended(ctx, number):
    counter = ctx.db.query("counters").first()
    ctx.db.patch(counter["_id"], {"value": counter["value"] + 1})
    write.handler(ctx, number, "mutation")

@action("work:act")
def act(ctx, number):
    ctx.run_mutation(write, number=number, kind="action")

@mutation("work:begin")
def begin(ctx, first, last):
    for number in range(first, last):
        ctx.scheduler.run_after(ctx.random.random() * 1500, act if number % 10 == 0 else contended, number=number)

dep = convex_nb.open(sys.argv[1])
if not dep.table("counters").count():
    dep.transact(lambda db: db.insert("counters", {"value": 0}))
dep.register(write, contended, act, begin)
if len(sys.argv) > 2:
    dep.mutation(begin, first=int(sys.argv[2]), last=int(sys.argv[3]))
    print("begun", flush=True)
    time.sleep(60)
while dep.schedules.pending or dep.schedules.in_progress:
    time.sleep(0.05)
"""


def test_mutations_run_exactly_once_and_actions_at_most_once_whenever_the_process_is_killed(tmp_path: Path) -> None:
    script, path = tmp_path / "working.py", tmp_path / "a.convex"
    script.write_text(WORKING)
    chance = random.Random(1)
    rounds, each = 25, 400
    for number in range(rounds):
        arguments = [sys.executable, str(script), str(path), str(number * each), str((number + 1) * each)]
        with subprocess.Popen(arguments, cwd=Path.cwd(), stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            time.sleep(1.5 * chance.random())
            process.kill()
    subprocess.run([sys.executable, str(script), str(path)], check=True, timeout=600, cwd=Path.cwd())
    with convex_nb.open(path) as dep:
        jobs = [(job["name"], job["args"][0]["number"], job["state"]["kind"]) for job in dep.schedules.values()]
        written = dep.table("written").df()
        times = Counter(zip(written["kind"], written["number"], strict=True))
        (counter,) = dep.table("counters").df()["value"]
        dep.check()
    assert len(jobs) == rounds * each
    for name, number, state in jobs:
        if name == "work:contended":
            assert (state, times["mutation", number]) == ("success", 1)
        else:
            assert (
                times["action", number] == 1
                if state == "success"
                else (state == "failed" and times["action", number] <= 1)
            )
    assert counter == sum([name == "work:contended" for name, _, _ in jobs])


def test_jobs_against_the_model_for_long() -> None:
    for _ in range(20):
        run_state_machine_as_test(SchedulingMachine, settings=settings(max_examples=100, stateful_step_count=40))
