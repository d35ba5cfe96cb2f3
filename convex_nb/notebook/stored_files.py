"""`%convex files`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from IPython.core.error import UsageError

from convex_nb.deployment.files.preview import size_text
from convex_nb.views.card import Card
from convex_nb.views.cells import time_text
from convex_nb.views.sheet import Heading, Sheet

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.deployment.files.file import File

SHOWN: Final = 20


def files(deployment: Deployment, *rest: str) -> Sheet | Card | File:
    """The stored files, the newest first; `ID` shows one, `store PATH` and `delete ID` change them."""
    stored = deployment.files
    what, _, after = (rest[0] if rest else "").strip().partition(" ")
    argument = after.strip().strip("\"'")
    if what == "store" and argument:
        return Card([[("plain", "stored:"), ("name", stored.store(argument))]])
    if what == "delete" and argument:
        stored.delete(argument)
        return Card([[("plain", "deleted:"), ("name", argument)]])
    if what in stored and not argument:
        return stored[what]
    if what:
        raise UsageError(
            "%convex files takes nothing after it, the ID of a file that there is, `store PATH`, or `delete ID`. See "
            "%convex?"
        )
    rows = [
        [file.id, file.content_type or "", size_text(file.size), file.sha256[:12], time_text(file.creation_time)]
        for file in islice(reversed(list(stored.values())), SHOWN)
    ]
    nothing = "No files yet: store one with dep.files.store(...), or in an action with ctx.storage.store(...)."
    more = f"{len(rows)} of {len(stored):,} files; all: dep.files.df()" if len(rows) < len(stored) else ""
    headings = [Heading("file"), Heading("type"), Heading("size", "right"), Heading("sha256"), Heading("stored (UTC)")]
    return Sheet(headings, rows, caption=more if rows else nothing)
