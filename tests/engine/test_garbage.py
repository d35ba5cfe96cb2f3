from __future__ import annotations

import gc

import pytest

from convex_nb.engine.garbage import no_collections


@pytest.mark.parametrize("collecting", [True, False])
def test_the_collector_rests_and_is_as_it_was(collecting: bool) -> None:
    (gc.enable if collecting else gc.disable)()
    try:
        with pytest.raises(ZeroDivisionError), no_collections():
            assert not gc.isenabled()
            1 / 0  # noqa: B018
        assert gc.isenabled() is collecting
    finally:
        gc.enable()
