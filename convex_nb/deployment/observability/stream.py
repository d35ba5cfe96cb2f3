"""What log sinks are told beside calls: what was changed about a deployment, and once a minute how busy it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from convex_nb.functions.logs.events import kind_of

if TYPE_CHECKING:
    from convex_nb.deployment.audit import Audit
    from convex_nb.functions.logs.execution_log import ExecutionLog, ExecutionRecord
    from convex_nb.services.audit_log import Event
    from convex_nb.services.scheduling.executor import SchedulingStatistics

MINUTE_MS: Final = 60_000
_KINDS: Final = ("query", "mutation", "action", "node_action", "http_action")
"""As the reference's readers expect them; nothing here runs in Node."""
_VARIABLE: Final = {"added": "create", "changed": "update", "removed": "delete"}
_STATES: Final = {"paused": ("running", "paused"), "resumed": ("paused", "running")}


class Stream:
    """Hands on to the sinks of a log what no call tells of, whenever they are about to be given something."""

    def __init__(
        self,
        log: ExecutionLog,
        audit: Audit,
        scheduling: Callable[[], SchedulingStatistics],
        now_ms: Callable[[], float],
    ) -> None:
        self._log = log
        self._audit = audit
        self._scheduling = scheduling
        self._now_ms = now_ms
        self._newest = audit.newest
        self._told_ms = now_ms()
        self._told: dict[str, dict[str, Any]] = {}

    def look(self) -> None:
        """Hand on what is new since the last time. Costs O(1) where nothing is, and where nobody listens."""
        former, self._newest = self._newest, self._audit.newest
        if not self._log.sinks.any:
            return
        if self._newest is not former:
            since = 0.0 if former is None else former.time_ms
            for event in self._audit:
                # Functions are defined again and again while one tries things: that is told by `dep.audit` alone.
                if event.time_ms > since and event.what != "function":
                    action, about = _audited(event)
                    change = {"audit_log_action": action, "audit_log_metadata": json.dumps(about)}
                    self._log.tell("audit_log", event.time_ms, change)
        now_ms = self._now_ms()
        if now_ms - self._told_ms >= MINUTE_MS:
            calls = [each for each in self._log.executions if each.time_ms >= now_ms - MINUTE_MS]
            self._told_ms = now_ms
            scheduling = self._scheduling()
            busy = {"lag_seconds": scheduling.lag_seconds, "num_running_jobs": scheduling.running}
            for topic, fields in (("scheduler_stats", busy), ("concurrency_stats", concurrency(calls))):
                if self._told.get(topic) != fields:
                    self._told[topic] = fields
                    self._log.tell(topic, now_ms, fields)


def concurrency(calls: Iterable[ExecutionRecord]) -> dict[str, Any]:
    """How many calls of each kind ran, and waited, at most at a time. Costs O(n log n)."""
    ends: dict[str, list[tuple[float, int]]] = {kind: [] for kind in _KINDS}
    queued = dict.fromkeys(_KINDS, 0)
    for call in calls:
        ends[kind_of(call)] += [(call.time_ms, 1), (call.time_ms + call.duration_ms, -1)]
        queued[kind_of(call)] = max(queued[kind_of(call)], call.queue_length - 1)
    return {kind: {"num_running": _most(ends[kind]), "num_queued": queued[kind]} for kind in _KINDS}


def _most(ends: list[tuple[float, int]]) -> int:
    most = running = 0
    for _, change in sorted(ends):
        running += change
        most = max(most, running)
    return most


def _audited(event: Event) -> tuple[str, dict[str, Any]]:
    """A change by the reference's name, and what is said of it."""
    if event.what == "environment variable":
        return f"{_VARIABLE[event.action]}_environment_variable", {"variable_name": event.name}
    if event.action in _STATES:
        before, after = _STATES[event.action]
        return "change_deployment_state", {"old_state": before, "new_state": after}
    if event.what == "table":
        return "delete_tables" if event.action == "dropped" else "clear_tables", {"table_names": [event.name]}
    if event.what == "import":
        return "snapshot_import", {"table_names": [event.name], "change": event.action, "detail": event.detail}
    return "push_config", {"what": event.what, "name": event.name, "change": event.action, "detail": event.detail}
