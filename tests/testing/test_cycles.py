from __future__ import annotations

from hypothesis import given, strategies as st

from convex_nb.testing.cycles import shortest_cycle, strong_components

GRAPHS = st.integers(1, 8).flatmap(
    lambda size: st.lists(st.sets(st.integers(0, size - 1)), min_size=size, max_size=size)
)


def reachable(edges: list[set[int]], start: int) -> set[int]:
    found: set[int] = set()
    todo = [start]
    while todo:
        for node in edges[todo.pop()] - found:
            found.add(node)
            todo.append(node)
    return found


@given(GRAPHS)
def test_components_are_what_reaches_one_another(edges: list[set[int]]) -> None:
    reach = [reachable(edges, node) for node in range(len(edges))]
    components = strong_components(edges)
    assert sorted(node for component in components for node in component) == list(range(len(edges)))
    for component in components:
        for node in range(len(edges)):
            together = node == component[0] or (node in reach[component[0]] and component[0] in reach[node])
            assert (node in component) is together


@given(GRAPHS)
def test_a_cycle_is_one(edges: list[set[int]]) -> None:
    apart = [successors - {node} for node, successors in enumerate(edges)]
    cycle = shortest_cycle(apart)
    if cycle is None:
        assert all(node not in reachable(apart, node) for node in range(len(apart)))
    else:
        assert all(b in apart[a] for a, b in zip(cycle, [*cycle[1:], cycle[0]], strict=True))
        assert len(set(cycle)) == len(cycle) > 1


def test_a_long_path_needs_no_recursion() -> None:
    edges = [{node + 1} for node in range(20_000)] + [set[int]()]
    assert shortest_cycle(edges) is None
    edges[-1].add(0)
    assert shortest_cycle(edges) == list(range(20_001))[-1:] + list(range(20_000))
