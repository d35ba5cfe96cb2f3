"""Executions and log lines as events: what log sinks get, in the shape of the reference's log streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb.language.qualified_names import component_of, local_name

if TYPE_CHECKING:
    from convex_nb.functions.logs.execution_log import ExecutionRecord, LogLine

Event: TypeAlias = dict[str, Any]
"""Plain JSON: `topic`, `timestamp` in milliseconds, `convex` for the deployment, and the fields of its topic."""


def execution_event(record: ExecutionRecord, deployment: Event) -> Event:
    """A call, as an event of the topic `function_execution`."""
    event: Event = {
        "topic": "function_execution",
        "timestamp": int(record.time_ms + record.duration_ms),
        "convex": deployment,
        "function": _function(record),
        "execution_time_ms": record.duration_ms,
        "status": record.status,
        "mutation_retry_count": record.retries,
        "usage": {
            "database_read_bytes": record.bytes_read,
            "database_write_bytes": record.bytes_written,
            "database_read_documents": record.documents_read,
            "database_write_documents": record.documents_written,
            "file_storage_read_bytes": record.file_bytes_read,
            "file_storage_write_bytes": record.file_bytes_written,
        },
    }
    if record.error is not None:
        event["error_message"] = record.error
    if record.kind == "mutation":
        event["mutation_queue_length"] = record.queue_length
    if record.occ_info is not None:
        event["occ_info"] = record.occ_info
    if record.job_id is not None:
        event["scheduler_info"] = {"job_id": record.job_id}
    return event


def console_event(line: LogLine, record: ExecutionRecord | None, deployment: Event) -> Event:
    """A log line and the call that wrote it, if one did, as an event of the topic `console`."""
    event: Event = {
        "topic": "console",
        "timestamp": int(line.time_ms),
        "convex": deployment,
        "function": _named(line.path) if record is None else _function(record),
        "log_level": line.level,
        "message": line.message,
        "is_truncated": line.is_truncated,
    }
    if line.system_code is not None:
        event["system_code"] = line.system_code
    return event


def kind_of(record: ExecutionRecord) -> str:
    """The kind of a call, in which those that answer requests are one of their own: their paths are `POST /path`."""
    return "http_action" if record.kind == "action" and " /" in record.path else record.kind


def _named(path: str) -> Event:
    component = component_of(path)
    return {"component_path": component, "path": local_name(path)} if component else {"path": path}


def _function(record: ExecutionRecord) -> Event:
    function: Event = {"type": kind_of(record), **_named(record.path), "request_id": record.request_id}
    if record.kind == "query":
        function["cached"] = record.cached
    return function
