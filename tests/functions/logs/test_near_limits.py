from __future__ import annotations

from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, MutationCtx, QueryCtx, mutation, query
from convex_nb.language.limits import Limits


@query("m:reads")
def reads(ctx: QueryCtx, documents: int) -> int:
    return len(ctx.db.query("rows").take(documents))


@query("m:looks")
def looks(ctx: QueryCtx, times: int) -> None:
    for _ in range(times):
        ctx.db.query("rows").first()


@mutation("m:writes")
def writes(ctx: MutationCtx, documents: int, size: int = 0) -> None:
    for _ in range(documents):
        ctx.db.insert("rows", {"x": "x" * size})


def warnings_of(dep: Deployment) -> list[tuple[str, str]]:
    return [(line.level, line.message) for line in dep.logs if "Close to a limit" in line.message]


@pytest.mark.parametrize(
    ("limits", "function", "near", "far", "says"),
    [
        ({"read_documents": 10}, reads, {"documents": 9}, {"documents": 8}, "9 documents read of at most 10"),
        ({"read_ranges": 10}, looks, {"times": 9}, {"times": 8}, "9 reads of at most 10"),
        ({"write_documents": 10}, writes, {"documents": 9}, {"documents": 8}, "9 documents written of at most 10"),
        ({"write_bytes": 1000}, writes, {"documents": 1, "size": 800}, {"documents": 1}, "bytes written of at most"),
        ({"read_bytes": 800}, reads, {"documents": 10}, {"documents": 2}, "bytes read of at most 800"),
    ],
)
def test_a_call_that_comes_close_to_a_limit_says_so_in_its_log(
    limits: dict[str, Any], function: Any, near: dict[str, Any], far: dict[str, Any], says: str
) -> None:
    with convex_nb.open(limits=Limits(**limits, query_seconds=float("inf"))) as dep:
        with dep.transaction() as db:
            for _ in range(10):
                db.insert("rows", {"x": 1}) if "write" not in str(limits) else None
        dep.run(function, far)
        assert warnings_of(dep) == []
        dep.run(function, near)
        ((level, message),) = warnings_of(dep)
        assert level == "WARN"
        assert says in message


def test_time_is_warned_of_too(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("convex_nb.engine.usage.perf_counter", lambda: now[0])

    @query("m:computes")
    def computes(ctx: QueryCtx, seconds: float) -> None:
        now[0] += seconds

    with convex_nb.open(limits="convex") as dep:
        dep.query(computes, seconds=0.5)
        assert warnings_of(dep) == []
        dep.query(computes, seconds=0.9)
        ((_, message),) = warnings_of(dep)
        assert "0.90 s computed of at most 1" in message


def test_a_notebook_has_few_limits_to_come_close_to() -> None:
    with convex_nb.open() as dep:
        dep.mutation(writes, documents=5)
        dep.query(reads, documents=5)
        assert warnings_of(dep) == []
