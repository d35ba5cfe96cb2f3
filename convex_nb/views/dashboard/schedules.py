"""Schedules: crons with their runs, and scheduled functions, which can be canceled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final

from convex_nb.language.describing import counted
from convex_nb.views.cells import preview
from convex_nb.views.dashboard.blocks import Block, Line, Tone, bar, button, choice, form, grid
from convex_nb.views.dashboard.owner import OwnedPage

if TYPE_CHECKING:
    from convex_nb.language.documents import Document
    from convex_nb.views.messages import Cell

SHOWN: Final = 100
"""Jobs that wait."""
ENDED: Final = 20
"""Jobs that are over, and runs of a cron."""
_TONES: Final[Mapping[str, Tone]] = {"failed": "bad", "canceled": "soft"}


class Schedules(OwnedPage):
    """What runs by the clock. Crons are the application's."""

    name: ClassVar[str] = "schedules"

    def follow(self) -> None:
        self.on_commits("_scheduled_functions", "_cron_jobs", "_cron_runs")

    def blocks(self) -> Iterable[Block]:
        jobs, path = self.owner.schedules, self.memory.get("function", "")
        yield from self.chooser()
        pending = list(jobs.pending.values())
        waiting = [job for job in pending if path in ("", self._name(job))]
        # A component's own: it also has what it was given to call scheduled.
        own = {self._name(job) for job in pending if job["name"].startswith(self.whole(""))}
        paths = sorted(own | ({path} - {""}))
        nothing = "Nothing waits: see ctx.scheduler.run_after(...)."
        if pending:
            functions = [("", "all functions"), *((each, each) for each in paths)]
            yield form(
                "filter",
                [[choice("function", "Function", functions, path, eager="filter")]],
                [button("Cancel all", "cancel_all", "cancel every job that is shown", tone="bad")] if waiting else [],
            )
        cancel = [button("Cancel", "cancel_job", "let this job not run")]
        lines: list[Line] = [{**self._line(job), "buttons": cancel} for job in islice(waiting, SHOWN)]
        title = f"Waiting ({len(waiting):,})" if len(waiting) <= SHOWN else f"Waiting ({SHOWN} of {len(waiting):,})"
        heads = ["time", "function", "arguments", "state"]
        yield grid("waiting", title, heads, lines, nothing)
        running = [self._line(job) for job in islice(jobs.in_progress.values(), SHOWN)]
        if running:
            yield grid("running", "Running", heads, running, "")
        if not self.component:
            yield from self._cron_blocks()
        ended = [self._line(job) for job in jobs.newest_finished(ENDED)]
        yield grid("ended", "Ended", heads, ended, "No job has ended yet.")

    def _cron_blocks(self) -> Iterable[Block]:
        yield grid("crons", "Crons", *self._crons())
        cron = self.memory.get("cron")
        if cron is not None and cron in self.deployment.schedules.crons:
            yield bar("cron bar", [button("✕ Close", "cron", "close the runs", key=cron)])
            yield grid("runs", f"Runs of {cron}", ["due", "ended", "outcome"], self._runs(cron), "It has not run yet.")

    def _crons(self) -> tuple[list[str], list[Line], str, str]:
        crons = self.deployment.schedules.crons
        lines: list[Line] = []
        for name, cron in crons.items():
            runs = crons.runs(name)
            last = _state(runs[0]["state"]).partition("\n")[0] if runs else "none yet"
            due: Cell = {"k": "time", "v": cron["nextRun"]} if "nextRun" in cron else "running"
            on = name == self.memory.get("cron")
            cells: list[Cell] = [name, crons.schedule(name), cron["function"], due, last]
            tone: Tone = "bad" if runs and runs[0]["state"]["kind"] == "failed" else "plain"
            lines.append({"key": name, "cells": cells, "on": on, "tone": tone})
        heads = ["cron", "when", "function", "next run", "last run"]
        return heads, lines, "No crons: see dep.push(crons=...).", "cron"

    def _runs(self, name: str) -> Iterable[Line]:
        for run in self.deployment.schedules.crons.runs(name)[:ENDED]:
            times: list[Cell] = [{"k": "time", "v": run[when]} for when in ("scheduledTime", "completedTime")]
            tone = _TONES.get(run["state"]["kind"], "plain")
            yield {"key": run["_id"], "cells": [*times, _state(run["state"])], "tone": tone}

    def do_filter(self, content: Mapping[str, Any]) -> None:
        self.memory["function"] = content["entries"]["function"]

    def do_cron(self, content: Mapping[str, Any]) -> None:
        self.memory["cron"] = None if content["key"] == self.memory.get("cron") else content["key"]

    def do_cancel_job(self, content: Mapping[str, Any]) -> None:
        if self.owner.schedules.cancel(content["key"]):
            self.say("The job was canceled.")
        else:
            self.say("The job was over already.", "warn")

    def do_cancel_all(self, _: Mapping[str, Any]) -> None:
        path, jobs = self.memory.get("function") or None, self.owner.schedules

        def cancel() -> str:
            number = jobs.cancel_all(path)
            return f"{counted(number, 'job')} canceled."

        self.ask(f"Cancel every job of {path or 'all functions'}?", "Cancel all", path or "all", cancel)

    def _name(self, job: Document) -> str:
        name: str = job["name"]
        return name.removeprefix(self.whole(""))

    def _line(self, job: Document) -> Line:
        arguments = ", ".join([f"{name}={preview(value, 40)}" for name, value in job["args"][0].items()])
        state = job["state"]
        cells: list[Cell] = [{"k": "time", "v": job["scheduledTime"]}, self._name(job), arguments, _state(state)]
        return {"key": job["_id"], "cells": cells, "tone": _TONES.get(state["kind"], "plain")}


def _state(state: Mapping[str, str]) -> str:
    return f"{state['kind']}: {state['error']}" if "error" in state else state["kind"]
