from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.services.scheduling_machine import SchedulingMachine


def test_jobs_end_as_they_must_and_are_done_as_often_as_they_must() -> None:
    run_state_machine_as_test(SchedulingMachine, settings=settings(max_examples=40, stateful_step_count=20))
