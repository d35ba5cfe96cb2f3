from __future__ import annotations

import copy
import pickle
import sys
import types
from typing import Any

import pytest

import convex_nb
from convex_nb.functions.determinism.stand_in import ClockStandIn, StandIn, deterministic

real = types.ModuleType("real_module")


def double(x: int, *, plus: int = 0) -> int:
    """Twice."""
    return 2 * x + plus


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    monkeypatch.setitem(sys.modules, "real_module", real)
    made = StandIn("real_module", "double", double, lambda execution, x, plus=0: (execution.path, x, plus))
    monkeypatch.setattr(real, "double", made, raising=False)
    return made


def test_it_does_one_thing_outside_and_another_inside(stand_in: StandIn) -> None:
    assert stand_in(2, plus=1) == 5
    with convex_nb.open() as dep:
        path, *rest = dep.transact(lambda db: stand_in(2, plus=1))
        assert (rest, bool(path)) == ([2, 1], True)

        @convex_nb.action("m:acts")
        def acts(ctx: convex_nb.ActionCtx) -> Any:
            return stand_in(2)

        assert dep.action(acts) == 4
        assert dep.transact(lambda db: deterministic()) is not None
    assert deterministic() is None


def test_it_passes_for_the_original(stand_in: StandIn) -> None:
    assert (stand_in.__name__, stand_in.__doc__, stand_in.__module__) == ("double", "Twice.", "real_module")
    assert repr(stand_in) == repr(double)
    assert callable(stand_in)
    assert pickle.loads(pickle.dumps(stand_in)) is stand_in
    assert copy.deepcopy([stand_in]) == [stand_in]


def test_it_is_not_bound_where_it_is_an_attribute_of_a_class(stand_in: StandIn) -> None:
    class Holder:
        function = stand_in
        clock = ClockStandIn("real_module", "clock", lambda: 5, lambda execution: 6)

    assert Holder().function(2) == 4
    assert Holder.clock() == Holder().clock() == 5
