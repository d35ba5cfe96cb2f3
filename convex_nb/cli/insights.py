"""`convex-nb insights`: what a log tells that will become a problem."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from convex_nb.cli.logs import add_log, log_of
from convex_nb.cli.problems import OK

if TYPE_CHECKING:
    from convex_nb.cli.console import Console
    from convex_nb.cli.options import OptionParser

DESCRIPTION: Final = """\
Say which functions read more documents or bytes in one call than Convex would let them, or nearly so, and which
mutations had to run again, or gave up, because of write conflicts: from a file of JSON lines.

The log of a deployment is in its process. This file is where one hands it on to: dep.logs.add_sink("app.log.jsonl").
In a notebook, dep.insights() is of the newest calls."""
USAGE: Final = "[LOG]"
EXAMPLES: Final = """\
  convex-nb insights app.log.jsonl
  convex-nb insights --json        [tool.convex_nb] logs = "app.log.jsonl" is in pyproject.toml"""


def configure(parser: OptionParser) -> None:
    """Add the options of `insights`."""
    add_log(parser)


def run(options: Namespace, console: Console) -> int:
    """Print the insights."""
    from convex_nb.deployment.observability.insights import insights
    from convex_nb.views.sheet import Heading, Sheet

    found = insights(log_of(options).new())
    if console.json:
        console.line([asdict(insight) for insight in found])
    elif found:
        rows = [[each.function, f"{each.count:,}", each.message] for each in found]
        console.sheet(Sheet([Heading("function"), Heading("calls", "right"), Heading("what happened")], rows))
        for advice in dict.fromkeys(each.advice for each in found):
            console.say(advice)
    else:
        console.say("Nothing to report.")
    return OK
