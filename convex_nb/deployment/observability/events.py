"""The newest calls and lines of a deployment as the events that log sinks get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convex_nb.functions.logs.events import console_event, execution_event

if TYPE_CHECKING:
    from convex_nb.functions.logs.execution_log import ExecutionLog, LogLine


def events_of(log: ExecutionLog) -> list[dict[str, Any]]:
    """Return what is known of the newest calls, oldest first. Costs O(calls + lines)."""
    deployment = log.describe()
    records = list(log.executions)
    known = {record.number: record for record in records}
    printed: dict[int, list[LogLine]] = {}
    events = []
    for line in log:
        if line.number in known:
            printed.setdefault(line.number, []).append(line)
        else:
            events.append(console_event(line, None, deployment))
    for record in records:
        events += [console_event(line, record, deployment) for line in printed.get(record.number, ())]
        events.append(execution_event(record, deployment))
    return sorted(events, key=lambda event: event["timestamp"])
