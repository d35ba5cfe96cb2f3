from __future__ import annotations

import json
from typing import Any

import convex_nb
from convex_nb import Response, define_schema, define_table, http_router, query, v
from convex_nb.deployment.observability.stream import concurrency
from convex_nb.functions.logs.execution_log import ExecutionRecord
from convex_nb.testing import VirtualClock

NOTHING = {"num_running": 0, "num_queued": 0}


@query("m:one")
def one(ctx: Any) -> int:
    return 1


def audited(events: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [
        (event["audit_log_action"], json.loads(event["audit_log_metadata"]))
        for event in events
        if event["topic"] == "audit_log"
    ]


def test_sinks_are_told_what_is_changed() -> None:
    with convex_nb.open() as dep:
        dep.env["BEFORE"] = "anybody listened"
        events: list[dict[str, Any]] = []
        dep.logs.add_sink(events.extend)
        dep.env["KEY"] = "secret"
        dep.env["KEY"] = "another"
        del dep.env["KEY"]
        dep.pause()
        dep.resume()
        dep.push(define_schema({"tasks": define_table({"text": v.string()})}))
        dep.import_table("notes", [{"text": "a"}])
        dep.drop_table("notes")
        dep.work()
        told = audited(events)
        assert told[:5] == [
            ("create_environment_variable", {"variable_name": "KEY"}),
            ("update_environment_variable", {"variable_name": "KEY"}),
            ("delete_environment_variable", {"variable_name": "KEY"}),
            ("change_deployment_state", {"old_state": "running", "new_state": "paused"}),
            ("change_deployment_state", {"old_state": "paused", "new_state": "running"}),
        ]
        assert [action for action, _ in told[5:]] == ["push_config", "snapshot_import", "delete_tables"]
        assert "secret" not in str(events)
        audit = next(event for event in events if event["topic"] == "audit_log")
        assert audit.keys() == {"topic", "timestamp", "convex", "audit_log_action", "audit_log_metadata"}
        assert isinstance(audit["timestamp"], int)
        dep.work()
        assert len(audited(events)) == len(told)


def test_sinks_are_told_once_a_minute_how_busy_it_is() -> None:
    clock = VirtualClock(1_700_000_000_000)
    with convex_nb.open(clock=clock) as dep:
        dep.register(one)
        events: list[dict[str, Any]] = []
        dep.logs.add_sink(events.extend)
        for _ in range(2):
            for ms in (20_000, 45_000):
                clock.advance(ms)
                dep.work()
        busy = [event for event in events if event["topic"].endswith("_stats")]
        assert [event["topic"] for event in busy] == ["scheduler_stats", "concurrency_stats"]
        assert (busy[0]["lag_seconds"], busy[0]["num_running_jobs"]) == (0, 0)
        assert busy[1]["query"] == busy[1]["node_action"] == NOTHING
        dep.query("m:one")
        clock.advance(60_000)
        dep.work()
        # What is the same as a minute ago is not said again.
        assert [(event["topic"], event["query"]["num_running"]) for event in events[-1:]] == [("concurrency_stats", 1)]


def test_calls_that_overlap_are_counted() -> None:
    def call(kind: str, began: float, lasted: float, path: str = "m:f", queue: int = 0) -> ExecutionRecord:
        nothing = dict.fromkeys(ExecutionRecord._fields, 0)
        fields = {"kind": kind, "time_ms": began, "duration_ms": lasted, "path": path, "queue_length": queue}
        return ExecutionRecord(**{**nothing, **fields})  # type: ignore[arg-type]

    calls = [call("query", 0, 10), call("query", 5, 10), call("query", 15, 1), call("mutation", 0, 1, queue=3)]
    calls.append(call("action", 0, 1, "POST /hook"))
    assert concurrency(calls) == {
        "query": {"num_running": 2, "num_queued": 0},
        "mutation": {"num_running": 1, "num_queued": 2},
        "action": NOTHING,
        "node_action": NOTHING,
        "http_action": {"num_running": 1, "num_queued": 0},
    }


def test_calls_of_http_actions_are_of_their_own_type() -> None:
    http = http_router()
    http.route("/hook", method="POST", handler=lambda ctx, request: Response("yes"))
    with convex_nb.open() as dep:
        dep.push(http=http)
        events: list[dict[str, Any]] = []
        dep.logs.add_sink(events.extend)
        assert dep.fetch("/hook", method="POST").status == 200
        dep.work()
        function = next(event["function"] for event in events if event["topic"] == "function_execution")
        assert (function["type"], function["path"]) == ("http_action", "POST /hook")
