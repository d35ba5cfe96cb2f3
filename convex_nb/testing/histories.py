"""Histories of concurrent executions, and whether they could have happened one after another.

What executions read and wrote tells which came before which: who read a version comes after who made it (``wr``), who
replaced a version comes after who made it (``ww``) and after everybody who still read it (``rw``), and what began
after something had ended comes after it (real time). Executions that could have happened in some order make a graph
without cycles. Three kinds of objects show the order of their versions by themselves, so that nothing has to be
believed of the database: lists that are only appended to, registers whose writes say what they replaced, and points
on a line that are only added to and read by ranges, where *not* seeing a point says as much as seeing it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from convex_nb.testing.cycles import shortest_cycle


class Append(NamedTuple):
    """``value``, unlike any other, was added to the end of the list ``key``."""

    key: str
    value: int


class ReadList(NamedTuple):
    """The list ``key`` held ``values``."""

    key: str
    values: tuple[int, ...]


class Write(NamedTuple):
    """The register ``key`` became ``value``, unlike any other; it was ``previous`` before (``None``: not there)."""

    key: str
    value: int
    previous: int | None


class Read(NamedTuple):
    """The register ``key`` was ``value``."""

    key: str
    value: int | None


class Add(NamedTuple):
    """``value``, unlike any other, was put at ``point``."""

    point: int
    value: int


class ReadRange(NamedTuple):
    """At the points ``lo <= point < hi`` were exactly ``values``."""

    lo: int
    hi: int
    values: frozenset[int]


Operation = Append | ReadList | Write | Read | Add | ReadRange


@dataclass(frozen=True, slots=True)
class Execution:
    """What one transaction did in its own order; ``started`` and ``ended`` are comparable across threads."""

    operations: tuple[Operation, ...]
    started: int
    ended: int
    committed: bool = True
    name: str = ""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Why a history could not have happened one after another."""

    kind: str
    """``cycle``, ``internal``, ``aborted read``, ``intermediate read``, ``unknown value`` or ``forked list``."""
    text: str
    executions: tuple[Execution, ...]

    def __str__(self) -> str:
        return "\n".join([f"{self.kind}: {self.text}", *[f"  {execution}" for execution in self.executions]])


def find_anomaly(history: Sequence[Execution]) -> Anomaly | None:
    """The first reason why no order of ``history`` explains it, ``None`` if there is one. Costs O(its size)."""
    try:
        graph = _Graph(history)
    except _FoundError as found:
        return found.anomaly
    cycle = shortest_cycle(graph.edges)
    if cycle is None:
        return None
    # Instants of time are nodes too; who reads the report wants to see executions only.
    members = [node for node in cycle if node < len(history)]
    steps = []
    for node, following in zip(members, [*members[1:], members[0]], strict=True):
        label = graph.edges[node].get(following, "real time")
        steps.append(f"{_name(history[node], node)} -{label}-> {_name(history[following], following)}")
    return Anomaly("cycle", ", ".join(steps), tuple([history[node] for node in members]))


class _FoundError(Exception):
    def __init__(self, kind: str, text: str, *executions: Execution) -> None:
        self.anomaly = Anomaly(kind, text, executions)


def _name(execution: Execution, node: int) -> str:
    return execution.name or f"T{node}"


class _Graph:
    """Which execution comes before which. Nodes are places in the history, and after them instants of time."""

    def __init__(self, history: Sequence[Execution]) -> None:
        self.history = history
        self.edges: list[dict[int, str]] = [{} for _ in history]
        self._writers: dict[int, int] = {}
        for node, execution in enumerate(history):
            for operation in execution.operations:
                if isinstance(operation, (Append, Write, Add)):
                    self._writers[operation.value] = node
        self._lists()
        self._registers()
        self._ranges()
        self._time()

    def _edge(self, before: int | None, after: int | None, label: str) -> None:
        if before is not None and after is not None and before != after:
            self.edges[before].setdefault(after, label)

    def _committed(self) -> Iterator[tuple[int, Execution]]:
        return ((node, execution) for node, execution in enumerate(self.history) if execution.committed)

    def _writer(self, value: int, reader: int) -> int:
        """Who made a value that somebody else read."""
        writer = self._writers.get(value)
        if writer is None:
            raise _FoundError("unknown value", f"nobody wrote {value}", self.history[reader])
        if writer != reader and not self.history[writer].committed:
            text = f"{value} was read, but its execution was rolled back"
            raise _FoundError("aborted read", text, self.history[writer], self.history[reader])
        return writer

    # -- lists -------------------------------------------------------------------------------------------------

    def _lists(self) -> None:
        reads: defaultdict[str, list[tuple[int, tuple[int, ...]]]] = defaultdict(list)
        appended: defaultdict[str, list[int]] = defaultdict(list)
        longest: dict[str, tuple[int, ...]] = {}
        for node, execution in self._committed():
            own: defaultdict[str, tuple[int, ...]] = defaultdict(tuple)
            for operation in execution.operations:
                if isinstance(operation, Append):
                    own[operation.key] += (operation.value,)
                    appended[operation.key].append(operation.value)
                elif isinstance(operation, ReadList):
                    key, values = operation
                    others = values[: len(values) - len(own[key])]
                    if values[len(others) :] != own[key] or set(others) & set(own[key]):
                        text = f"the list {key!r} was read as {values} after appending {own[key]}"
                        raise _FoundError("internal", text, execution)
                    reads[key].append((node, others))
                    if len(values) > len(longest.get(key, ())):
                        longest[key] = values
        for key in dict.fromkeys([*appended, *reads]):
            self._list(key, longest.get(key, ()), appended[key], reads[key])

    def _list(
        self, key: str, chain: tuple[int, ...], appended: list[int], reads: list[tuple[int, tuple[int, ...]]]
    ) -> None:
        label = f"list {key}"
        seen = set(chain)
        if len(seen) < len(chain):
            text = f"the list {key!r} holds a value twice: {chain}"
            raise _FoundError("forked list", text, *[self.history[node] for node, _ in reads])
        unseen = [self._writers[value] for value in appended if value not in seen]
        makers = [self._writer(value, reads[0][0]) for value in chain]
        for before, after in pairwise(makers):
            self._edge(before, after, f"ww {label}")
        for writer in unseen:
            self._edge(makers[-1] if makers else None, writer, f"ww {label}")
        for node, values in reads:
            upto = len(values)
            if values != chain[:upto]:
                text = f"the list {key!r} was read as {values} and as {chain}"
                raise _FoundError("forked list", text, self.history[node])
            following = makers[upto] if upto < len(chain) else None
            if upto:
                self._writer(values[-1], node)
                if following == makers[upto - 1] != node:
                    text = f"the list {key!r} was read as {values}, in the middle of an execution"
                    raise _FoundError("intermediate read", text, self.history[makers[upto - 1]], self.history[node])
                self._edge(makers[upto - 1], node, f"wr {label}")
            self._edge(node, following, f"rw {label}")
            if following is None:
                for writer in unseen:
                    self._edge(node, writer, f"rw {label}")

    # -- registers ---------------------------------------------------------------------------------------------

    def _registers(self) -> None:
        readers: defaultdict[tuple[str, int | None], list[int]] = defaultdict(list)
        replacers: defaultdict[tuple[str, int | None], list[int]] = defaultdict(list)
        overwritten: dict[int, int] = {}
        for node, execution in self._committed():
            own: dict[str, int] = {}
            for operation in execution.operations:
                if not isinstance(operation, (Read, Write)):
                    continue
                key, found = operation.key, operation.previous if isinstance(operation, Write) else operation.value
                if key in own and own[key] != found:
                    text = f"the register {key!r} was {found} after it had been set to {own[key]}"
                    raise _FoundError("internal", text, execution)
                if key not in own:
                    readers[key, found].append(node)
                if isinstance(operation, Write):
                    if key in own:
                        overwritten[own[key]] = node
                    else:
                        replacers[key, found].append(node)
                    own[key] = operation.value
        for (key, value), nodes in readers.items():
            for node in nodes:
                if value is not None:
                    writer = self._writer(value, node)
                    if value in overwritten:
                        text = f"the register {key!r} was read as {value}, in the middle of an execution"
                        raise _FoundError("intermediate read", text, self.history[writer], self.history[node])
                    self._edge(writer, node, f"wr register {key}")
                for replacer in replacers.get((key, value), ()):
                    self._edge(node, replacer, f"rw register {key}")

    # -- ranges ------------------------------------------------------------------------------------------------

    def _ranges(self) -> None:
        added = sorted(
            [
                (operation.point, operation.value, node)
                for node, execution in self._committed()
                for operation in execution.operations
                if isinstance(operation, Add)
            ]
        )
        for node, execution in self._committed():
            own: set[int] = set()
            for operation in execution.operations:
                if isinstance(operation, Add):
                    own.add(operation.value)
                elif isinstance(operation, ReadRange):
                    self._range(node, operation, own, added)

    def _range(self, node: int, read: ReadRange, own: set[int], added: list[tuple[int, int, int]]) -> None:
        label = f"range {read.lo} to {read.hi}"
        unexplained = set(read.values)
        for place in range(bisect_left(added, (read.lo,)), bisect_left(added, (read.hi,))):
            _, value, writer = added[place]
            if value in read.values:
                unexplained.discard(value)
                self._edge(writer, node, f"wr {label}")
            else:
                if value in own:
                    raise _FoundError("internal", f"{value} is missing from {label}", self.history[node])
                self._edge(node, writer, f"rw {label}")
        for value in unexplained:
            self._writer(value, node)
            raise _FoundError("unknown value", f"{value} was read in {label}, where nobody put it", self.history[node])

    # -- time --------------------------------------------------------------------------------------------------

    def _time(self) -> None:
        """Each end is an instant that comes after the instant before, and before everything that starts later."""
        moments: list[tuple[int, bool, int]] = []
        for node, execution in self._committed():
            moments.append((execution.started, False, node))
            moments.append((execution.ended, True, node))
        now: int | None = None
        for _, ends, node in sorted(moments):
            if ends:
                self.edges.append({})
                instant = len(self.edges) - 1
                self._edge(now, instant, "real time")
                self._edge(node, instant, "real time")
                now = instant
            else:
                self._edge(now, node, "real time")
