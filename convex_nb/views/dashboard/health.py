"""Health: how the deployment has been doing in the last hour."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Final

from convex_nb.deployment.observability.health import LATE_MS, PUSHED
from convex_nb.language.describing import counted
from convex_nb.views.cells import time_text
from convex_nb.views.dashboard.blocks import Block, Card, Line, cards, grid
from convex_nb.views.dashboard.charts import LastHour, failures, hits, percent
from convex_nb.views.dashboard.page import OWN, Page

INSIGHTS_MOST: Final = 20


class Health(Page):
    """Failures, cache hits, the scheduler, what there is, and what will become a problem."""

    name: ClassVar[str] = "health"
    reads_clock: ClassVar[bool] = True

    def follow(self) -> None:
        self._insights: list[Line] | None = None
        self.on_calls()
        self.on_commits()

    def expire(self) -> None:
        """Time has passed."""
        self._insights = None
        super().expire()

    def blocks(self) -> Iterable[Block]:
        hour = LastHour(self.deployment.metrics.minutes())
        yield cards("cards", [self._failures(hour), self._hits(hour), self._scheduler(), self._pushed(), self._data()])
        nothing = "Nothing to report: no call came close to Convex's limits, and no mutation had to run again."
        yield grid(
            "insights", "Insights", ["function", "what happened", "what to do", ">calls"], self._problems(), nothing
        )

    def _failures(self, hour: LastHour) -> Card:
        total = hour.total()
        chart = hour.chart("failure rate", "%", [("failed", failures)])
        calls, errors = (0, 0) if total is None else (total.calls, total.errors)
        return {
            "title": "Failure rate",
            "figure": percent(None if total is None else failures(total)),
            "note": f"{errors:,} of {calls:,} calls in the last hour",
            "tone": "bad" if errors else "ok",
            "chart": chart,
        }

    def _hits(self, hour: LastHour) -> Card:
        queries = hour.of_kind("query")
        total = queries.total()
        return {
            "title": "Cache hit rate",
            "figure": percent(None if total is None else hits(total)),
            "note": f"{0 if total is None else total.calls:,} calls of queries",
            "chart": queries.chart("cache hit rate", "%", [("hits", hits)]),
        }

    def _scheduler(self) -> Card:
        schedules = self.deployment.schedules
        lag = schedules.lag_ms
        waiting = f"{len(schedules.pending):,} waiting, {len(schedules.in_progress):,} running"
        crons = f", {len(schedules.crons):,} crons" if schedules.crons else ""
        if self.deployment.paused:
            return {"title": "Scheduler", "figure": "Paused", "note": waiting + crons, "tone": "warn"}
        if lag < LATE_MS:
            return {"title": "Scheduler", "figure": "OK", "note": waiting + crons, "tone": "ok"}
        return {"title": "Scheduler", "figure": f"Overdue by {_span(lag)}", "note": waiting + crons, "tone": "bad"}

    def _pushed(self) -> Card:
        pushes = [each for each in self.deployment.audit if each.what in PUSHED]
        if not pushes:
            return {"title": "Last push", "figure": "–", "note": "nothing yet"}
        newest = pushes[-1]
        day, moment = time_text(newest.time_ms)[:-4].split()
        note = f"UTC, {day}: {newest.what} {newest.name} {newest.action}"
        return {"title": "Last push", "figure": moment, "note": note}

    def _data(self) -> Card:
        tables = self.deployment.tables
        documents = sum(table.count() for table in tables.values())
        newest = time_text(self.deployment.timestamp // 1_000_000)[:-4]
        return {
            "title": "Documents",
            "figure": f"{documents:,}",
            "note": f"in {counted(len(tables), 'table')}; newest commit {newest} UTC",
        }

    def _problems(self) -> list[Line]:
        # They cost as much as the log is long: made when the page opens and then by the clock, not at each commit.
        if self._insights is None:
            found = [each for each in self.deployment.insights() if each.function not in OWN]
            self._insights = [
                {
                    "key": f"{each.kind} {each.function}",
                    "cells": [each.function, each.message, each.advice, each.count],
                    "tone": "warn",
                }
                for each in found[:INSIGHTS_MOST]
            ]
        return self._insights


def _span(ms: float) -> str:
    seconds = ms / 1000
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
