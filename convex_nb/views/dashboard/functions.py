"""Functions: a tree of them, and of one of them its code, a form that runs it, its charts and its log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from convex_nb.deployment.function_table import place_of
from convex_nb.language.encoding import loads
from convex_nb.language.errors import InvalidValueError
from convex_nb.views.dashboard.blocks import (
    Block,
    Card,
    Item,
    Line,
    button,
    cards,
    code,
    field,
    form,
    grid,
    listing,
    words,
)
from convex_nb.views.dashboard.charts import LastHour, failures, hits, percent
from convex_nb.views.dashboard.logs import Wanted, call_lines
from convex_nb.views.dashboard.owner import OwnedPage
from convex_nb.views.dashboard.seen_as import SeenAs

if TYPE_CHECKING:
    from convex_nb.functions.definition import Function, Kind
    from convex_nb.views.live_view import LiveView

CALLS: Final = 10
"""Calls of a function that are shown below it."""


class Functions(OwnedPage):
    """The registered functions by module, at the left; at the right the one that was chosen."""

    name: ClassVar[str] = "functions"

    def follow(self) -> None:
        self.on_calls()
        self._known: dict[str, Function] = {}

    def has_moved(self) -> bool:
        return self._known != self.owner.functions

    @property
    def path(self) -> str | None:
        """The function that is shown: the one that was chosen, or the first one."""
        functions = self.owner.functions
        chosen = self.memory.get("path")
        return chosen if chosen is not None and chosen in functions else next(iter(functions), None)

    # -- what is shown

    def blocks(self) -> Iterable[Block]:
        known, self._known = self._known, dict(self.owner.functions)
        path = self.memory["path"] = self.path
        whole = self.whole(str(path))
        yield listing("functions", "Functions", self._items(), "function")
        yield from self.chooser()
        self.drop_others("form", whole)
        self.drop_others("result", whole)
        if path is None:
            nothing = "No functions yet: define one in a %%convex_query cell."
            yield words("none", "Its functions come with the next push." if self.component else nothing, "soft")
            return
        function = self.owner.functions[path]
        if known.get(path) is not function:
            self.drop(f"form {whole}")
        where = place_of(function)
        kind = f"{function.visibility} {function.kind}"
        yield words("title", f"{path}{function.signature}", "plain")
        yield words("kind", f"{kind}, {where}" if where else kind, "soft")
        if function.source is not None:
            yield code("code", "Code", function.source)
        if not self.component:
            # Users never call a component: its application does.
            yield self._identity()
        self.inside(f"form {whole}", lambda: self.host.form(whole, partial(self._run, whole, function.kind)))
        yield self.drawn(f"form {whole}")
        if f"result {whole}" in self._shown:
            yield self.drawn(f"result {whole}")
        yield self._charts(whole, function)
        newest: list[Line] = [
            {**line, "cells": [line["cells"][0], *line["cells"][2:5]]}
            for line in call_lines(self.deployment, Wanted(function=whole), most=CALLS)
        ]
        yield grid("calls", "Newest calls", ["time", ">took", "outcome", "printed"], newest, "It has not run yet.")

    def _items(self) -> Iterable[Item]:
        module = None
        for path, function in self.owner.functions.items():
            head, colon, name = path.rpartition(":")
            if colon and head != module:
                module = head
                yield {"label": head}
            note = function.kind if function.visibility == "public" else f"internal {function.kind}"
            yield {"key": path, "label": name if colon else path, "note": note, "on": path == self.path}

    def _charts(self, path: str, function: Function) -> Block:
        hour = LastHour(self.deployment.metrics.minutes())
        total = hour.total(path)
        calls, errors = (0, 0) if total is None else (total.calls, total.errors)
        median = None if total is None else total.quantile(0.5)
        shares: list[tuple[str, Callable[[Any], float | None]]] = [
            (f"p{share}", lambda tally, share=share: tally.quantile(share / 100))  # type: ignore[misc]
            for share in (50, 90, 95, 99)
        ]
        made: list[Card] = [
            {
                "title": "Calls",
                "figure": f"{calls:,}",
                "note": "in the last hour",
                "chart": hour.chart("calls", "a minute", [("calls", lambda tally: tally.calls)], path),
            },
            {
                "title": "Errors",
                "figure": f"{errors:,}",
                "note": percent(None if total is None else failures(total)),
                "tone": "bad" if errors else "plain",
                "chart": hour.chart("errors", "a minute", [("errors", lambda tally: tally.errors)], path),
            },
            {
                "title": "Time",
                "figure": "–" if median is None else f"{median:,.1f} ms",
                "note": "median",
                "chart": hour.chart("time", "ms", shares, path),
            },
        ]
        if function.kind == "query":
            rate = None if total is None else hits(total)
            chart = hour.chart("cache hits", "%", [("hits", hits)], path)
            made.insert(2, {"title": "Cache hits", "figure": percent(rate), "note": "in the last hour", "chart": chart})
        return cards("charts", made)

    def _identity(self) -> Block:
        given = self.memory.get("identity", "")
        label = "Act as a user" if given else "Act as a user: claims, as JSON"
        row = [field("identity", label, given, hint='{"subject": "ada", "name": "Ada"}', wide=True)]
        buttons = [button("Act", "act", "call public functions as this user", submits=True)]
        if given:
            buttons.append(button("Be the administrator", "administrator", "call every function, as nobody"))
        return form("identity", [row], buttons, tone="warn" if given else "plain")

    # -- what a reader does

    def do_function(self, content: Mapping[str, Any]) -> None:
        self.memory["path"] = content["key"]

    def do_act(self, content: Mapping[str, Any]) -> None:
        text = content["entries"]["identity"].strip()
        if text and not isinstance(loads(text), dict):
            raise InvalidValueError('An identity is an object of claims, such as {"subject": "ada"}.')
        self.memory["identity"] = text
        self.drop(f"result {self.path}")

    def do_administrator(self, _: Mapping[str, Any]) -> None:
        self.memory["identity"] = ""
        self.drop(f"result {self.path}")

    @property
    def _claims(self) -> dict[str, Any] | None:
        text = self.memory.get("identity")
        return loads(text) if text else None

    def _run(self, path: str, kind: Kind, arguments: Mapping[str, Any]) -> tuple[Any, str]:
        """Run it for the form: the result of a query is followed from then on, in a view of its own."""
        claims = self._claims
        if kind != "query":
            if claims is None:
                return self.deployment.run(path, arguments), ""
            client = self.deployment.client(claims)
            run = client.mutation if kind == "mutation" else client.action
            return run(path, arguments), f"as {claims.get('subject') or claims.get('name') or 'this user'}"
        self._follow_result(path, arguments, claims)
        return None, "below, live"

    def _follow_result(self, path: str, arguments: Mapping[str, Any], claims: dict[str, Any] | None) -> None:
        def watch(on_stale: Callable[[], None]) -> Any:
            if claims is None:
                return self.deployment.watch(path, arguments, on_stale)
            return SeenAs(self.deployment, claims, path, arguments, on_stale)

        key = f"result {path}"
        view: Any = self._shown.get(key)
        if view is None:
            self.inside(key, lambda: self.host.view(path, watch, None))
        else:
            result: LiveView = view
            result.ask(dict(arguments), lambda _: watch(self.host.mark))
        self.mark()
