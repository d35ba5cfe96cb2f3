"""`%convex schedules` and `%convex env`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from IPython.core.error import UsageError

from convex_nb.views.card import Card
from convex_nb.views.cells import preview, time_text
from convex_nb.views.sheet import Heading, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.language.documents import Document

SHOWN: Final = 10
"""Jobs of each state that are shown."""


def schedules(deployment: Deployment) -> Sheet:
    """What runs by the clock: crons, then jobs that run, wait, and are over, the newest of these first."""
    jobs = deployment.schedules
    rows = [
        [_time(cron.get("nextRun")), "cron", cron["function"], f"{name}: {jobs.crons.schedule(name)}"]
        for name, cron in jobs.crons.items()
    ]
    for group in (jobs.in_progress, jobs.pending):
        rows += [_row(job) for job in islice(group.values(), SHOWN)]
    rows += [_row(job) for job in jobs.newest_finished(SHOWN)]
    shown = len(rows) - len(jobs.crons)
    more = f"{shown} of {len(jobs):,} jobs; all: dep.schedules.df()" if shown < len(jobs) else ""
    nothing = "Nothing is scheduled: see ctx.scheduler.run_after(...), and dep.push(crons=...)."
    headings = [Heading("time (UTC)"), Heading("state"), Heading("function"), Heading("with")]
    return Sheet(headings, rows, caption=more if rows else nothing)


def env(deployment: Deployment, *rest: str) -> Sheet | Card:
    """The names of environment variables; `set NAME VALUE`, `unset NAME`. Values are not shown."""
    what, _, after = (rest[0] if rest else "").strip().partition(" ")
    name, _, value = after.strip().partition(" ")
    if not what:
        caption = "Values are not shown: dep.env[name] has them." if deployment.env else "No environment variables yet."
        return Sheet(
            [Heading("variable"), Heading("value")], [[each, "•••"] for each in deployment.env], caption=caption
        )
    if what == "set" and name and value.strip():
        deployment.env[name] = _unquoted(value.strip())
    elif what == "unset" and name and not value:
        if name not in deployment.env:
            raise UsageError(f"%convex env unset: there is no environment variable {name!r}.")
        del deployment.env[name]
    else:
        raise UsageError("%convex env takes nothing after it, `set NAME VALUE`, or `unset NAME`. See %convex help.")
    return Card([[("plain", f"{what}:"), ("name", name)]])


def _row(job: Document) -> list[str]:
    state: Mapping[str, str] = job["state"]
    error = f": {state['error']}" if "error" in state else ""
    args = ", ".join([f"{name}={preview(value, 40)}" for name, value in job["args"][0].items()])
    return [_time(job["scheduledTime"]), state["kind"] + error, job["name"], args]


def _time(ms: float | None) -> str:
    return "now" if ms is None else time_text(ms)


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text
