"""Cycles of directed graphs with many nodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Sequence

_TRIED = 64
"""Starting nodes tried for a short cycle: any cycle will do, and most components are small."""


def shortest_cycle(edges: Sequence[Collection[int]]) -> list[int] | None:
    """The nodes of a short cycle, ``None`` if there is none. ``edges[node]`` are its successors. Costs O(edges)."""
    for component in strong_components(edges):
        if len(component) > 1:
            members = set(component)
            cycles = [_cycle_through(node, edges, members) for node in component[:_TRIED]]
            return min(cycles, key=len)
    return None


def strong_components(edges: Sequence[Iterable[int]]) -> list[list[int]]:
    """Sets of nodes that reach one another, by Tarjan's algorithm without recursion."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    components: list[list[int]] = []
    for root in range(len(edges)):
        if root in order:
            continue
        path = [(root, iter(edges[root]))]
        order[root] = low[root] = len(order)
        stack.append(root)
        on_stack.add(root)
        while path:
            node, successors = path[-1]
            for successor in successors:
                if successor not in order:
                    order[successor] = low[successor] = len(order)
                    stack.append(successor)
                    on_stack.add(successor)
                    path.append((successor, iter(edges[successor])))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], order[successor])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == order[node]:
                    component = [stack.pop()]
                    while component[-1] != node:
                        component.append(stack.pop())
                    on_stack.difference_update(component)
                    components.append(component)
    return components


def _cycle_through(node: int, edges: Sequence[Iterable[int]], members: set[int]) -> list[int]:
    """The shortest way from a node of a strong component back to it."""
    came_from = {node: node}
    queue = deque([node])
    while queue:
        at = queue.popleft()
        for successor in edges[at]:
            if successor == node:
                cycle = [at]
                while cycle[-1] != node:
                    cycle.append(came_from[cycle[-1]])
                return cycle[::-1]
            if successor in members and successor not in came_from:
                came_from[successor] = at
                queue.append(successor)
    raise AssertionError(f"{node} is in no cycle of its component {sorted(members)}")
