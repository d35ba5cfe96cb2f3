"""Where a kernel hears a widget."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from ipykernel.comm.comm import BaseComm

from convex_nb.views.hearing import hear_beside


class Comm(BaseComm):
    def publish_msg(self, *args: Any, **options: Any) -> None:
        pass


@pytest.mark.skipif(not hasattr(BaseComm, "_reply_subshell_for"), reason="this ipykernel asks the front end only")
def test_the_front_end_says_where_it_is_heard() -> None:
    comm = cast(Any, Comm)(target_name="t")
    comm._reply_subshell_id = None  # it spoke while a cell ran
    assert comm._reply_subshell_for({}, "beside") is None
    hear_beside(SimpleNamespace(comm=comm))
    # As ipykernel asks.
    assert getattr(comm, "_reply_subshell_for", None) is None


@pytest.mark.parametrize("comm", [None, SimpleNamespace()])
def test_other_kernels_are_left_alone(comm: Any) -> None:
    hear_beside(SimpleNamespace(comm=comm))
    assert not vars(comm or SimpleNamespace())
