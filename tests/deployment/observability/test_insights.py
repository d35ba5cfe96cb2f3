from __future__ import annotations

from typing import Any

import pytest

import convex_nb
from convex_nb import QueryCtx, mutation, query
from convex_nb.deployment.observability import insights as module
from convex_nb.deployment.observability.insights import insights


def call(path: str, status: str = "success", retries: int = 0, **usage: int) -> dict[str, Any]:
    event: dict[str, Any] = {
        "topic": "function_execution",
        "function": {"path": path},
        "status": status,
        "usage": usage,
    }
    if retries:
        event["occ_info"] = {
            "table_name": "counters",
            "document_id": "k1",
            "write_source": "m:other",
            "retry_count": retries,
        }
        event["mutation_retry_count"] = retries
    return event


def test_what_is_a_problem_is_told_once_for_each_function() -> None:
    found = insights(
        [
            call("m:reads", database_read_documents=25_600),  # 80 percent
            call("m:reads", database_read_documents=40_000),
            call("m:nearly", database_read_documents=25_599),
            call("m:bytes", database_read_bytes=14 << 20),
            call("m:add", retries=1),
            call("m:add", retries=3),
            call("m:add", retries=2),
            call("m:gave_up", "failure", retries=1),
            {"topic": "console", "message": "not a call"},
        ]
    )
    assert [(each.kind, each.function, each.count) for each in found] == [
        ("conflictRetried", "m:add", 3),
        ("documentsRead", "m:reads", 2),
        ("bytesRead", "m:bytes", 1),
        ("conflictFailed", "m:gave_up", 1),
    ]
    add, reads, read_bytes, gave_up = found
    assert (
        add.message
        == 'had to run again because of write conflicts with m:other on the table "counters", up to 3 retries.'
    )
    assert add.worst["mutation_retry_count"] == 3
    assert reads.message == "read up to 40,000 documents in one call, 1 over Convex's limit of 32,000."
    assert "close to" in read_bytes.message
    assert gave_up.message.startswith("gave up")
    assert gave_up.message.endswith(", up to 1 retry.")
    assert str(reads).endswith("narrower range.")


def test_they_are_of_the_newest_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NEAR", 0.001)

    @query("m:all")
    def everything(ctx: QueryCtx) -> int:
        return len(ctx.db.query("numbers").collect())

    @mutation("m:nothing")
    def nothing(ctx: Any) -> None: ...

    with convex_nb.open() as dep:
        dep.register(everything, nothing)
        with dep.transaction() as db:
            db.insert_many("numbers", [{"n": n} for n in range(40)])
        dep.mutation("m:nothing")
        assert dep.insights() == []
        dep.query("m:all")
        (insight,) = dep.insights()
        assert (insight.kind, insight.function, insight.count) == ("documentsRead", "m:all", 1)
