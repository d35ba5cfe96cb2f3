from __future__ import annotations

from typing import Any

import pytest

from convex_nb.functions.live.footing import Footing


class Query:
    """As much of a followed query as a footing knows."""

    def __init__(self) -> None:
        self.ran: Any = None


class Registry:
    def __init__(self) -> None:
        self.gone: set[str] = set()
        self.asked = 0

    def stands(self, ran: Any) -> bool:
        self.asked += 1
        return not self.gone & {name for name, _, _ in ran}


A, B = ("a", None, None), ("b", None, None)


@pytest.fixture
def footing() -> Any:
    return Footing()


def test_what_moved_are_the_queries_that_rest_on_it(footing: Any) -> None:
    registry, first, second, third = Registry(), Query(), Query(), Query()
    footing.put(first, [A])
    footing.put(second, [A, B])
    footing.put(third, None)
    assert footing.queries == {first, second}
    assert footing.moved(registry) == []
    registry.gone = {"b"}
    assert footing.moved(registry) == [second]
    registry.gone = {"a"}
    assert footing.moved(registry) == [first, second]


def test_a_new_result_rests_on_something_else(footing: Any) -> None:
    query = Query()
    footing.put(query, [A])
    footing.put(query, [B])
    assert query.ran == [B]
    footing.put(query, None)
    assert not footing.by_ran
    footing.put(query, [A])
    footing.discard(query)
    footing.discard(query)
    assert (footing.queries, query.ran) == (set(), None)


def test_what_many_rest_on_is_looked_at_once(footing: Any) -> None:
    registry = Registry()
    for _ in range(1000):
        footing.put(Query(), [A, B])
    footing.moved(registry)
    assert registry.asked == 2
