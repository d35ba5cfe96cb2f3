from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import ConvexNbError, Deployment, QueryCtx, StorageError, query
from convex_nb.functions.logs.sinks import MOST_WAITING, Sinks
from tests.functions.apps import add_task, list_tasks, open_app


@query("m:fails")
def fails(ctx: QueryCtx) -> None:
    print("so far")
    raise ValueError("no")


def deliver(dep: Deployment) -> None:
    dep._log.sinks.deliver()


def test_a_sink_gets_the_events_of_the_reference_in_order() -> None:
    events: list[dict[str, Any]] = []
    with open_app() as dep:
        dep.logs.add_sink(events.extend)
        dep.mutation(add_task, text="a")
        dep.query(list_tasks)
        dep.query(list_tasks)
        with pytest.raises(ValueError, match="no"):
            dep.query(fails)
        deliver(dep)
        assert [(event["topic"], event["function"]["path"]) for event in events] == [
            ("function_execution", "tasks:add"),
            ("function_execution", "tasks:list"),
            ("function_execution", "tasks:list"),
            ("console", "m:fails"),
            ("function_execution", "m:fails"),
        ]
        json.dumps(events, allow_nan=False)
        added, _, cached, line, failed = events
        assert added["status"] == "success"
        assert added["mutation_queue_length"] == added["mutation_retry_count"] == 0
        assert added["usage"]["database_write_documents"] == 1
        assert added["convex"] == {
            "deployment_name": "memory",
            "deployment_type": "dev",
            "project_name": "memory",
            "project_slug": "memory",
        }
        assert isinstance(added["timestamp"], int)
        assert cached["function"]["cached"] is True
        assert "cached" not in added["function"]
        assert (line["log_level"], line["message"], line["is_truncated"]) == ("LOG", "so far", False)
        assert line["function"]["request_id"] == failed["function"]["request_id"]
        assert (failed["status"], failed["error_message"]) == ("failure", "ValueError: no")


def test_events_come_by_themselves_and_the_last_ones_when_it_closes() -> None:
    events: list[Any] = []
    came = threading.Event()

    def sink(batch: list[Any]) -> None:
        events.extend(batch)
        came.set()

    with open_app() as dep:
        dep.logs.add_sink(sink)
        dep.query(list_tasks)
        assert came.wait(30)
        dep.query(list_tasks)
    assert len(events) == 2


def test_a_sink_that_is_removed_gets_what_has_happened_so_far() -> None:
    events: list[Any] = []
    with open_app() as dep:
        sink = dep.logs.add_sink(events.extend)
        dep.query(list_tasks)
        dep.logs.remove_sink(sink)
        dep.query(list_tasks)
        deliver(dep)
        assert len(events) == 1
        dep.logs.remove_sink(sink)


def test_a_sink_gets_nothing_of_what_was_before_it() -> None:
    first: list[Any] = []
    second: list[Any] = []
    with open_app() as dep:
        dep.logs.add_sink(first.extend)
        dep.query(list_tasks)
        dep.logs.add_sink(second.extend)
        dep.query(list_tasks)
        deliver(dep)
        assert (len(first), len(second)) == (2, 1)


def test_a_failing_sink_is_said_once_and_disables_nothing(caplog: pytest.LogCaptureFixture) -> None:
    good: list[Any] = []
    broken = True

    def sink(batch: list[Any]) -> None:
        if broken:
            raise RuntimeError("no network")
        recovered.extend(batch)

    recovered: list[Any] = []
    with caplog.at_level(logging.ERROR), open_app() as dep:
        dep.logs.add_sink(sink)
        dep.logs.add_sink(good.extend)
        for _ in range(3):
            dep.query(list_tasks)
            deliver(dep)
        assert len(good) == 3
        assert len([record for record in caplog.records if "log sink" in record.message]) == 1
        broken = False
        dep.query(list_tasks)
        deliver(dep)
        assert len(recovered) == 1
        broken = True
        dep.query(list_tasks)
        deliver(dep)
        assert len([record for record in caplog.records if "log sink" in record.message]) == 2


def test_calls_that_a_sink_makes_are_not_delivered() -> None:
    batches: list[int] = []
    with open_app() as dep:

        def sink(batch: list[Any]) -> None:
            batches.append(len(batch))
            dep.query(list_tasks)

        dep.logs.add_sink(sink)
        dep.query(list_tasks)
        deliver(dep)
        deliver(dep)
        assert batches == [1]
        assert len(dep.logs.executions) == 2


def test_of_too_many_events_the_newest_are_kept() -> None:
    sinks = Sinks(lambda call: [{"number": call}])
    got: list[Any] = []
    sinks.add(got.extend)
    for number in range(MOST_WAITING + 10):
        sinks.put(number)
    sinks.deliver()
    assert sinks.dropped == 10
    assert (got[0]["number"], got[-1]["number"], len(got)) == (10, MOST_WAITING + 9, MOST_WAITING)


def test_a_file_has_a_line_of_json_for_each_event(tmp_path: Path) -> None:
    path = tmp_path / "app.jsonl"
    with open_app() as dep:
        sink = dep.logs.add_sink(path)
        assert repr(sink) == f"JsonLinesFile({str(path)!r})"
        dep.mutation(add_task, text="é")
        with pytest.raises(ValueError, match="no"):
            dep.query(fails)
        deliver(dep)
        path.rename(tmp_path / "old.jsonl")
        dep.query(list_tasks)
    old = [json.loads(line) for line in (tmp_path / "old.jsonl").read_text().splitlines()]
    new = [json.loads(line) for line in path.read_text().splitlines()]
    assert [event["function"]["path"] for event in old] == ["tasks:add", "m:fails", "m:fails"]
    assert [event["function"]["path"] for event in new] == ["tasks:list"]


def test_what_is_no_sink_is_refused_at_once(tmp_path: Path) -> None:
    with open_app() as dep:
        with pytest.raises(ConvexNbError, match="a callable that takes a list of events, or the path of a file, not 5"):
            dep.logs.add_sink(5)  # type: ignore[arg-type]
        with pytest.raises(StorageError, match="Log events cannot be written to"):
            dep.logs.add_sink(tmp_path / "absent" / "app.jsonl")
        assert len(dep._log.sinks) == 0


def test_events_name_the_file(tmp_path: Path) -> None:
    events: list[Any] = []
    with convex_nb.open(tmp_path / "app.convex") as dep:
        dep.logs.add_sink(events.extend)
        dep.transact(lambda db: None)
    assert events[0]["convex"]["deployment_name"] == "app"
