"""History: what has been changed about the deployment, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from convex_nb.views.dashboard.blocks import Block, Line, choice, form, grid
from convex_nb.views.dashboard.page import Page

SHOWN: Final = 200


class History(Page):
    """Functions, schema, crons, environment, providers, imports and pauses."""

    name: ClassVar[str] = "history"

    def follow(self) -> None:
        self._seen: object = None

    def has_moved(self) -> bool:
        # The audit says nothing when it grows; to look whether it has costs less than to be told.
        return self.deployment.audit.newest is not self._seen

    def blocks(self) -> Iterable[Block]:
        audit = self.deployment.audit
        self._seen = audit.newest
        events = list(audit)
        kinds = [("", "everything"), *((kind, kind) for kind in sorted({each.what for each in events}))]
        wanted = self.memory.get("what", "")
        yield form("filter", [[choice("what", "What", kinds, wanted, eager="filter")]], [])
        lines: list[Line] = [
            {
                "key": str(number),
                "cells": [{"k": "time", "v": each.time_ms}, each.what, each.name, each.action, each.detail],
                "tone": "bad" if each.action == "removed" else "plain",
            }
            for number, each in reversed(list(enumerate(events)))
            if wanted in ("", each.what)
        ]
        nothing = "Nothing has been changed yet."
        yield grid("events", "", ["time", "what", "name", "was", "detail"], lines[:SHOWN], nothing)

    def do_filter(self, content: Mapping[str, Any]) -> None:
        self.memory["what"] = content["entries"]["what"]
