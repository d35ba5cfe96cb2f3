from __future__ import annotations

from typing import Any

import pytest

from convex_nb import ComponentError, api, components
from convex_nb.stock import (
    ActionCache,
    ActionRetrier,
    Aggregate,
    Migrations,
    Presence,
    RateLimiter,
    ShardedCounter,
    Workflows,
    Workpool,
)

MADE = [
    RateLimiter,
    ShardedCounter,
    Migrations,
    ActionRetrier,
    Workpool,
    Workflows,
    Presence,
    lambda *where: Aggregate(*where, key=lambda document: document["n"]),
    lambda *where: ActionCache(*where, action="a:b"),
]


@pytest.mark.parametrize("make", MADE)
def test_one_from_stock_is_told_where_it_is_installed(make: Any) -> None:
    assert "components.elsewhere" in repr(make(components.elsewhere))
    assert "(components." in repr(make())
    refused: list[Any] = [components, api.limits, RateLimiter.definition, {"send": {}}]
    for wrong in refused:
        with pytest.raises(ComponentError, match=r"takes first where it is installed, such as `components\.\w+`"):
            make(wrong)
