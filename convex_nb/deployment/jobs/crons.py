"""The crons that are deployed: what `dep.schedules.crons` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING

from convex_nb.deployment.jobs.moments import moment, to_times
from convex_nb.services.scheduling.cron_schedule import Schedule
from convex_nb.services.scheduling.cron_table import RUNS, TABLE, documents

if TYPE_CHECKING:
    import pandas

    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.language.documents import Document

Row = tuple[str, str, str, str, str]


class Crons(Mapping[str, "Document"]):
    """Crons by name, as of the newest commit whenever it is asked. `dep.push(crons=...)` changes them."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def __getitem__(self, name: str) -> Document:
        found = documents(self._snapshot(), TABLE, name) if isinstance(name, str) else []
        if not found:
            raise KeyError(name)
        return found[0]

    def __iter__(self) -> Iterator[str]:
        return iter([cron["name"] for cron in documents(self._snapshot(), TABLE)])

    def __len__(self) -> int:
        return len(documents(self._snapshot(), TABLE))

    def __repr__(self) -> str:
        return "\n".join(["  ".join(row) for row in self.rows()]) or "no crons"

    def _repr_html_(self) -> str:
        head = "".join([f"<th>{name}</th>" for name in ("cron", "schedule", "function", "next run (UTC)", "last run")])
        rows = "".join(
            ["<tr>" + "".join([f"<td>{escape(each)}</td>" for each in row]) + "</tr>" for row in self.rows()]
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>" if rows else "<p>no crons</p>"

    def rows(self) -> list[Row]:
        """A line of text for each: name, schedule, function, next run, last run."""
        rows = []
        for name, cron in self.items():
            runs = self.runs(name)
            state = runs[0]["state"] if runs else {"kind": "none yet"}
            last = f"{state['kind']}: {state['error']}" if "error" in state else state["kind"]
            next_run = moment(cron["nextRun"]) if "nextRun" in cron else "running"
            rows.append((name, str(Schedule.of(cron["schedule"])), cron["function"], next_run, last))
        return rows

    def schedule(self, name: str) -> str:
        """When a cron runs, in words."""
        return str(Schedule.of(self[name]["schedule"]))

    def runs(self, name: str) -> list[Document]:
        """The newest hundred runs of a cron that are over, the newest first."""
        return documents(self._snapshot(), RUNS, name)[::-1]

    def df(self) -> pandas.DataFrame:
        """The crons as a DataFrame: `name`, `schedule`, `function`, `args`, `next` (UTC; missing while it runs)."""
        import pandas as pd

        rows = [
            (name, str(Schedule.of(cron["schedule"])), cron["function"], cron["args"][0], cron.get("nextRun"))
            for name, cron in self.items()
        ]
        frame = pd.DataFrame(rows, columns=["name", "schedule", "function", "args", "next"])
        return to_times(frame, "next")
