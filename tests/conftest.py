"""Settings that every test shares."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.kernels import Kernels

# No deadline anywhere: a test says what is true, never how fast a busy machine was. And the same examples every time:
# what is red is red for a change, not by chance. Chance is for `HYPOTHESIS_PROFILE=explore`, and for the long tests.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", parent=settings.get_profile("explore"), derandomize=True)
settings.register_profile("soak", parent=settings.get_profile("explore"), max_examples=5_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# A shell has what it starts in the background ignore interrupts. Tests send some, to this process and to its children.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    """Real kernels that start at once."""
    if not hasattr(os, "fork"):
        pytest.skip("kernels are forked")
    from tests.kernels import running_kernels

    with running_kernels(tmp_path_factory.mktemp("kernels")) as kernels:
        yield kernels


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    """What a module opens it closes: the stand-ins of a deployment that is left open are in the way of others."""

    def users() -> int:
        module = sys.modules.get("convex_nb.functions.determinism.installation")
        return 0 if module is None else module._users

    before = users()
    yield
    assert users() == before, "a deployment was left open"
