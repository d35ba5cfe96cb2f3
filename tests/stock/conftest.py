"""Actions end before the clock moves on, however slow the machine is."""

from __future__ import annotations

import pytest

from tests.until import PATIENCE


@pytest.fixture(autouse=True)
def _patient_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convex_nb.deployment.jobs.scheduling.GRACE_SECONDS", PATIENCE)
