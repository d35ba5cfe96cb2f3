from __future__ import annotations

import pytest

from convex_nb.engine.database import Database
from convex_nb.testing.histories import Add, Append, Read, ReadList, ReadRange, Write, find_anomaly
from convex_nb.testing.workloads import Workload


def test_a_history_is_recorded() -> None:
    database = Database()
    workload = Workload(database, threads=3, transactions=150, seed=1)
    history = workload.run()
    assert history is workload.history
    assert len(history) == 151, "each try, and one that reads everything"
    assert workload.operations == sum(len(execution.operations) for execution in history)
    kinds = {type(operation) for execution in history for operation in execution.operations}
    assert kinds == {Append, ReadList, Write, Read, Add, ReadRange}
    moments = [moment for execution in history for moment in (execution.started, execution.ended)]
    assert len(set(moments)) == len(moments)
    assert all(execution.started < execution.ended for execution in history)
    assert len({execution.name for execution in history[:-1]}) == 3
    assert workload.conflicts == sum(not execution.committed for execution in history)
    values = [
        operation.value
        for execution in history
        for operation in execution.operations
        if isinstance(operation, (Append, Write, Add))
    ]
    assert len(set(values)) == len(values), "values are unlike any other"
    assert find_anomaly(history) is None


def test_one_thread_never_conflicts_and_repeats_itself() -> None:
    first = Workload(Database(), threads=1, transactions=60, seed=5)
    second = Workload(Database(), threads=1, transactions=60, seed=5)
    assert [e.operations for e in first.run()] == [e.operations for e in second.run()]
    assert first.conflicts == 0
    third = Workload(Database(), threads=1, transactions=60, seed=6)
    assert [e.operations for e in third.run()] != [e.operations for e in first.history]


def test_what_a_thread_raises_is_raised() -> None:
    database = Database()

    def fail(commit: object) -> None:
        raise RuntimeError("a callback failed")

    workload = Workload(database, threads=2, transactions=50)
    database.on_commit.append(fail)
    with pytest.raises(RuntimeError, match="a callback failed"):
        workload.run()
