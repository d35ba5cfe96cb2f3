"""The proofs of the engine, at length."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from convex_nb.engine import maintenance
from convex_nb.engine.database import Database
from convex_nb.testing.histories import find_anomaly
from convex_nb.testing.workloads import Workload
from tests.engine.databases import StepTimer, small_thresholds
from tests.engine.test_state_machine import EngineMachine
from tests.engine.tripwire import interrupted_at

pytestmark = pytest.mark.soak

OPERATIONS = 500_000


@pytest.mark.parametrize("small", [False, True], ids=["as it is", "tiny thresholds"])
def test_half_a_million_operations_are_serializable(monkeypatch: pytest.MonkeyPatch, small: bool) -> None:
    if small:
        small_thresholds(monkeypatch)
    database = Database()
    workload = Workload(database, threads=8, transactions=OPERATIONS // 2, seed=1, maintain=True)
    history = workload.run(join_seconds=3000)
    assert workload.operations >= OPERATIONS
    assert workload.conflicts > 1000
    anomaly = find_anomaly(history)
    assert anomaly is None, str(anomaly)
    database.check()


@pytest.mark.parametrize("_", range(25))
def test_the_engine_against_the_model_for_long(monkeypatch: pytest.MonkeyPatch, _: int) -> None:
    """Half a minute each: two thirds of it look at everything after every step.

    Hypothesis remembers every example that it tried: in one run of them all they take gigabytes.
    """
    small_thresholds(monkeypatch)
    monkeypatch.setattr(maintenance, "monotonic", StepTimer())
    run_state_machine_as_test(EngineMachine, settings=settings(max_examples=100, stateful_step_count=60))


def test_an_interrupt_at_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _, lines = interrupted_at(-1)
        assert sum([interrupted_at(line)[0] for line in range(1, lines)]) > lines * 0.9
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("seed", range(3))
def test_twenty_thousand_interrupts(root: Path, seed: int) -> None:
    command = [sys.executable, "-m", "tests.engine.interrupt_loop", "20000", str(seed), "900"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=1200, cwd=root, check=False)
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    assert result["sent"] == result["surfaced"] == 20_000, result
    assert result["acknowledged"] <= result["counted"] <= result["tried"]
    assert result["counted"] == result["logged"] == result["commits"] == result["told"]
