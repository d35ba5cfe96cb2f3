"""Logs: what ran, newest first; a click shows the whole request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from convex_nb.functions.logs.execution_log import LogLine
from convex_nb.language.qualified_names import component_of
from convex_nb.views.dashboard.blocks import Block, Line, bar, button, choice, field, form, grid
from convex_nb.views.dashboard.page import OWN, Page

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.logs.execution_log import ExecutionRecord
    from convex_nb.views.messages import Cell

SHOWN: Final = 100
LEVELS: Final = ("DEBUG", "LOG", "INFO", "WARN", "ERROR")
HEADS: Final = ["time", "function", ">took", "outcome", "printed", "request"]


@dataclass(frozen=True)
class Wanted:
    """Which calls a reader wants to see."""

    text: str = ""
    function: str = ""
    outcome: str = ""
    level: str = ""
    component: str | None = None
    """Its path, `""` for the application, `None` for all."""

    def takes(self, path: str, outcome: str, lines: Iterable[LogLine]) -> bool:
        """Tell whether a call, or a line that no call wrote, is one of them."""
        lines = list(lines)
        if self.function and not (
            path != self.function[1:] if self.function.startswith("-") else path == self.function
        ):
            return False
        if self.component is not None and component_of(path) != self.component:
            return False
        failed = outcome not in ("ok", "cached")
        if self.outcome and failed != (self.outcome == "failure"):
            return False
        if self.level:
            least = LEVELS.index(self.level)
            worst = max([LEVELS.index(line.level) for line in lines if line.level in LEVELS], default=-1)
            if max(worst, len(LEVELS) - 1 if failed else -1) < least:
                return False
        needle = self.text.casefold()
        return not needle or any(
            needle in text.casefold() for text in (path, outcome, *(each.message for each in lines))
        )


class Logs(Page):
    """The calls of all functions, with what they printed."""

    name: ClassVar[str] = "logs"

    def follow(self) -> None:
        self.on_calls()

    def blocks(self) -> Iterable[Block]:
        wanted: Wanted = self.memory.get("wanted", Wanted())
        request = self.memory.get("request")
        paths = sorted({call.path for call in self.deployment.logs.executions} - OWN)
        functions = [("", "all functions"), *((path, path) for path in paths)]
        functions += [(f"-{path}", f"all but {path}") for path in paths]
        outcomes = [("", "any outcome"), ("success", "success"), ("failure", "failure")]
        levels = [("", "any severity"), *((each, f"{each.lower()} and worse") for each in LEVELS[1:])]
        row = [
            field("text", "Text", wanted.text, hint="Filter", eager="filter"),
            choice("function", "Function", functions, wanted.function, eager="filter"),
            choice("outcome", "Outcome", outcomes, wanted.outcome, eager="filter"),
            choice("level", "Severity", levels, wanted.level, eager="filter"),
        ]
        if paths := list(self.deployment.components):
            owners = [("*", "everything"), ("", "the application"), *((path, path) for path in paths)]
            chosen = "*" if wanted.component is None else wanted.component
            row.insert(1, choice("component", "Component", owners, chosen, eager="filter"))
        yield form("filter", [row], [])
        if request is not None:
            lines = list(request_lines(self.deployment, request))
            yield bar("request bar", [button("✕ Close", "shut", "close the request")])
            heads = ["time", "function", ">took", "outcome", "printed", "read, written"]
            yield grid("request", f"Request {request}", heads, lines, "This request is no longer kept.")
        yield grid(
            "calls", "", HEADS, list(call_lines(self.deployment, wanted, request)), "No call to show.", "request"
        )

    def do_filter(self, content: Mapping[str, Any]) -> None:
        entries = content["entries"]
        component = entries.get("component", "*")
        self.memory["wanted"] = Wanted(
            entries["text"],
            entries["function"],
            entries["outcome"],
            entries["level"],
            None if component == "*" else component,
        )

    def do_request(self, content: Mapping[str, Any]) -> None:
        self.memory["request"] = content["key"].partition(" ")[0] or None

    def do_shut(self, _: Mapping[str, Any]) -> None:
        self.memory["request"] = None


def call_lines(deployment: Deployment, wanted: Wanted, request: str | None = None, most: int = SHOWN) -> Iterator[Line]:
    """Yield the newest calls and, between them, lines that no call wrote. Costs O(calls kept) if few are wanted."""
    printed = _printed(deployment)
    notes = [*printed.pop(0, []), *_changes(deployment)]
    notes = sorted([line for line in notes if wanted.takes(line.path, "ok", [line])], key=lambda line: line.time_ms)
    calls = reversed(deployment.logs.executions)
    call = next(calls, None)
    shown = 0
    while shown < most and (notes or call is not None):
        if notes and (call is None or notes[-1].time_ms >= call.time_ms):
            yield _note(notes.pop())
            shown += 1
            continue
        assert call is not None
        lines = printed.get(call.number, [])
        if call.path not in OWN and wanted.takes(call.path, _outcome(call), lines):
            key, on = f"{call.request_id} {call.number}", call.request_id == request
            cells = _cells(call, lines)
            cells[3] = _outcome(call).partition("\n")[0]
            yield {"key": key, "cells": [*cells, call.request_id], "tone": _tone(call), "on": on}
            shown += 1
        call = next(calls, None)


def request_lines(deployment: Deployment, request: str) -> Iterator[Line]:
    """Yield the calls of a request in the order of their beginnings, those that others made below them."""
    printed = _printed(deployment)
    calls = [call for call in deployment.logs.executions if call.request_id == request]
    known = {call.number for call in calls}
    below: dict[int | None, list[ExecutionRecord]] = {}
    for call in sorted(calls, key=lambda each: (each.time_ms, each.number)):
        below.setdefault(call.parent if call.parent in known else None, []).append(call)

    def lines_of(parent: int | None, depth: int) -> Iterator[Line]:
        for call in below.get(parent, []):
            cells = _cells(call, printed.get(call.number, []))
            cells[1] = f"{'  ' * depth}{'└ ' if depth else ''}{call.path}"
            figures = f"{call.documents_read:,}, {call.documents_written:,}"
            yield {"key": str(call.number), "cells": [*cells, figures], "tone": _tone(call)}
            yield from lines_of(call.number, depth + 1)

    return lines_of(None, 0)


def _printed(deployment: Deployment) -> dict[int, list[LogLine]]:
    printed: dict[int, list[LogLine]] = {}
    for line in deployment.logs:
        printed.setdefault(line.number, []).append(line)
    return printed


def _changes(deployment: Deployment) -> Iterator[LogLine]:
    """Pushes, imports and pauses as lines of the log; it has words of its own about crons and variables."""
    for event in deployment.audit:
        if event.what not in ("cron", "environment variable"):
            message = f"{event.name} {event.action} {event.detail}".strip()
            yield LogLine(0, event.time_ms, event.what, "INFO", message, "", False, None)


def _cells(call: ExecutionRecord, lines: Iterable[LogLine]) -> list[Cell]:
    took = "" if call.cached else f"{call.duration_ms:,.1f} ms"
    return [
        {"k": "time", "v": call.time_ms},
        call.path,
        took,
        _outcome(call),
        "\n".join([line.message if line.level == "LOG" else f"{line.level}: {line.message}" for line in lines]),
    ]


def _note(line: LogLine) -> Line:
    # No request is known by it.
    key = f" {line.time_ms} {line.path} {line.message}"
    return {
        "key": key,
        "cells": [{"k": "time", "v": line.time_ms}, line.path, "", "", line.message, ""],
        "tone": "soft",
    }


def _outcome(call: ExecutionRecord) -> str:
    return call.error or ("cached" if call.cached else "ok")


def _tone(call: ExecutionRecord) -> Any:
    return "bad" if call.status == "failure" else "plain"
