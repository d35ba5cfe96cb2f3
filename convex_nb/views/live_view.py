"""A live view: one query's result on the screen, following every commit that touches it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import anywidget
import traitlets

from convex_nb.deployment.clients.paginated import Followed
from convex_nb.deployment.data.results import result_to_arrow, result_to_frame
from convex_nb.language.describing import counted
from convex_nb.language.values import copy_value
from convex_nb.views.carrier import Carrier
from convex_nb.views.cells import preview, time_text
from convex_nb.views.contents import Contents
from convex_nb.views.drawing import draw
from convex_nb.views.editing import Editing, answer_to
from convex_nb.views.export import NOWHERE, Exports, Origin
from convex_nb.views.hearing import hear_beside
from convex_nb.views.marks import next_mark
from convex_nb.views.messages import Head, More, State, Update, Updates
from convex_nb.views.modules import bundle, style
from convex_nb.views.panel import Panel
from convex_nb.views.problem import problem_of
from convex_nb.views.result import Answered, Result
from convex_nb.views.result_sheet import ROWS_MOST
from convex_nb.views.screen import Picture, Screen
from convex_nb.views.sheet import Sheet
from convex_nb.views.surroundings import Surroundings
from convex_nb.views.window import Window

if TYPE_CHECKING:
    import pandas
    import pyarrow


SLOW_MS: Final = 300
"""Milliseconds from which a run is worth a sign that it is under way."""

Watch: TypeAlias = Callable[[Mapping[str, Any]], Followed]
"""Starts a live query with these arguments."""


class LiveView(anywidget.AnyWidget):
    """What `live(...)` returns.

    `value` is the newest good result, `error` the current error or None, `status` "loading", "ok", "error" or "paused",
    `timestamp` the commit that the result belongs to. A cell that reads them finds what it has written itself.
    `observe(callback, "value")` follows them; callbacks run on the thread that refreshed the view. Frame libraries take
    the view itself, by `__arrow_c_stream__`.
    """

    shown_as: ClassVar[str] = "view"
    """Tells views of one query from its pages: a cell that runs again gets back what it had."""
    _is_made = False
    _esm = bundle("live.js")
    _css = style("live.css")

    snapshot = traitlets.Any().tag(sync=True, to_json=lambda _, view: view.whole())
    mark = traitlets.Unicode().tag(sync=True)
    value = Result(None, allow_none=True)
    error = Answered(None, allow_none=True)
    status = Answered("loading")
    timestamp = Answered(0)
    selection = traitlets.Any(None, allow_none=True)
    """The id of the row in which the reader has put the cursor, or None; another view may follow it."""

    def __init__(
        self,
        path: str,
        watch: Watch,
        arguments: Mapping[str, Any] | None = None,
        *,
        render: Callable[[Any], Any] | None = None,
        surroundings: Surroundings | None = None,
        is_busy: Callable[[], bool] | None = None,
        on_close: Callable[[LiveView], None] | None = None,
        on_active: Callable[[], None] = lambda: None,
        on_behind: Callable[[], None] = lambda: None,
        window: Window | None = None,
        editing: Editing | None = None,
        carrier: Carrier | None = None,
        place: Callable[[LiveView], str] | None = None,
    ) -> None:
        self.path = path
        self.render = render
        """Makes of the value what is displayed in place of the table; None for the table."""
        self.editing = editing
        """How cells are changed; None where they are not."""
        self._watch = watch
        self._surroundings = surroundings
        self._place = place
        self._on_close = on_close
        self._on_active = on_active
        self._on_behind = on_behind
        self._lock = threading.RLock()
        self._query: Followed | None = None
        self._arguments: Mapping[str, Any] | None = None
        self._asked = 0
        self._paused = False
        self._commits = 0  # of the deployment when the view was paused
        self._behind = 0
        self._updating = False
        self._contents = Contents(Window() if window is None else window, self._hints)
        self._panel = Panel(None if surroundings is None else surroundings.finder(on_active))
        self._exports = Exports()
        # What the traits of these names say, for whoever holds the lock: those catch up when they are read.
        self._value: Any = None
        self._error: Exception | None = None
        self._status = "loading"
        self._timestamp = 0
        self._duration = 0.0
        self._carrier = Carrier() if carrier is None else carrier
        self._screen = Screen(self._picture, lambda update: self._carrier.send(self, update), is_busy)
        # Before the widget opens, so that it opens with its first page, or not at all if the query is refused.
        self.ask(arguments)
        super().__init__(mark=next_mark())
        hear_beside(self)
        self._is_made = True
        self._carrier.join(self)
        self.on_msg(lambda _view, content, _buffers: self._from_browser(content))

    @property
    def model_id(self) -> str | None:
        """What a box of widgets names the view by: what `render` has made, where it has a `render`."""
        if self._is_made and self.render is not None and self._place is not None:
            return self._place(self)
        id: str | None = super().model_id
        return id

    # -- the query

    @property
    def query(self) -> Followed | None:
        """The live query behind this view; None while it is skipped, paused or closed."""
        return self._query

    @property
    def arguments(self) -> Mapping[str, Any] | None:
        """The arguments of the query; None while one of them is `SKIP`."""
        return self._arguments

    @property
    def is_hidden(self) -> bool:
        """Whether a page showed it and none does so now. What was never shown is not hidden."""
        return self._screen.is_hidden

    @property
    def moment(self) -> tuple[object, ...]:
        """What the view shows now, to be compared by identity: as long as it is the same, so is the picture."""
        return (self._value, self._error, self._status, self.render)

    def ask(self, arguments: Mapping[str, Any] | None, watch: Watch | None = None) -> None:
        """Watch the query with these arguments from now on; None watches nothing, and the view says "loading".

        `watch` replaces the query itself, as when its cell has run again. The latest call wins, whichever ends first.
        Raises what refuses the query; the view stays as it was then.
        """
        with self._lock:
            self._asked = asked = self._asked + 1
            start = watch or self._watch
        # Not under the lock: the query is the user's code.
        query = start(arguments) if arguments is not None and not self._paused else None
        with self._lock:
            if asked != self._asked:
                old = query
            else:
                old, self._query, self._watch = self._query, query, start
                if arguments != self._arguments:
                    self._contents.window.turn(0)
                if watch is not None:
                    self._contents.forget_columns()
                self._arguments = arguments
        if old is not None:
            old.close()
        elif query is not None:
            self._on_active()
        self.absorb()

    def absorb(self) -> None:
        """Take over what the query says now; tell observers and the browser."""
        with self._lock:
            query = self._query
            error, timestamp = None, self._timestamp
            if query is not None:
                error, timestamp, self._duration = query.error, query.timestamp, query.duration_ms
                if error is None:
                    self._value = query.value
                    self._contents.take(self._value)
            status, value = self._status_now(), self._value
            self._error, self._status, self._timestamp = error, status, timestamp
        self.timestamp, self.status, self.error, self.value = timestamp, status, error, value
        with self._lock:
            self._updating = False
            self._screen.touch()
            self._screen.pump()

    def _status_now(self) -> str:
        if self._query is None:
            return "paused" if self._paused else "loading"
        return "ok" if self._query.error is None else "error"

    def freshen(self) -> None:
        """Take over what commits have changed since the last refresh, if the running cell asks."""
        if getattr(getattr(self, "_query", None), "stale", False) is True:
            self._on_behind()

    def is_among(self, moved: Container[int]) -> bool:
        """Tell whether the query has something new to say, given the ids of those that a refresh has moved."""
        return id(self._query) in moved

    def expect(self) -> None:
        """Say "updating" if the query is about to run again and took long the last time."""
        with self._lock:
            query = self._query
            if query is not None and query.stale and query.duration_ms > SLOW_MS:
                self._updating = True
                self._screen.touch()
                self._screen.pump()

    @property
    def is_paused(self) -> bool:
        """Whether it holds still while commits go on."""
        return self._paused

    def pump(self) -> None:
        """Send what could not be sent before, if it can be sent now. What was expected has come, or stayed the same."""
        with self._lock:
            behind = self._count_commits() - self._commits if self._paused else 0
            if behind != self._behind:
                self._behind = behind
                self._screen.touch()
            if self._updating:
                self._updating = False
                self._screen.touch()
            if self._panel.has_moved():
                self._screen.touch()
            self._screen.pump()

    def _hints(self, rows: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
        """The schema's columns, when the rows are whole documents of one table or could become so."""
        if self._surroundings is None or self._query is None:
            return {}
        tables = set(self._query.tables)
        if rows:
            tables &= {getattr(rows[0].get("_id"), "table", None)}
        return self._surroundings.columns(tables.pop()) if len(tables) == 1 else {}

    def pause(self) -> None:
        """Stop following commits; the last value stays."""
        with self._lock:
            self._paused = True
            self._commits, self._behind = self._count_commits(), 0
            query, self._query = self._query, None
        if query is not None:
            query.close()
        self.absorb()
        self._on_active()

    def _count_commits(self) -> int:
        return 0 if self._surroundings is None else self._surroundings.commits()

    def resume(self) -> None:
        """Follow commits again, from the newest."""
        self._paused = False
        self.ask(self._arguments)

    def close(self) -> None:
        """Stop watching and leave the screen. The last value stays; closing twice does nothing."""
        query, self._query = getattr(self, "_query", None), None
        if query is not None:
            query.close()
        if self.comm is not None:
            self._panel.close()
            self._carrier.leave(self)
            if self._on_close is not None:
                self._on_close(self)
        # ipywidgets knows the view by its own name.
        self._is_made = False
        super().close()

    # -- the result

    def df(self) -> pandas.DataFrame:
        """Return the result at `timestamp` as a DataFrame, of the types of `dep.table(name).df()`. O(n)."""
        self.freshen()
        return result_to_frame(self._value, *self._origin())

    def arrow(self) -> pyarrow.Table:
        """Return the result at `timestamp` as an Arrow table, of the types of `dep.table(name).arrow()`. O(n)."""
        self.freshen()
        return result_to_arrow(self._value, *self._origin())

    def _origin(self) -> Origin:
        if self._surroundings is None or self._query is None:
            return NOWHERE
        return self._surroundings.schema, self._query.tables

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.arrow().__arrow_c_stream__(requested_schema)

    # -- without a browser

    def sheet(self, rows: int = ROWS_MOST) -> Sheet:
        """Return the first rows of the page as a static table, with their number and time."""
        with self._lock:
            arguments = ", ".join(f"{name}={text}" for name, text in self._chips())
            title = f"{self.path}({arguments})" if arguments else self.path
            if self._error is not None:
                return Sheet([], [], title=title, caption=problem_of(self._error)["message"], mark=self.mark)
            if self._status == "loading":
                return Sheet([], [], title=title, caption="waiting for its arguments", mark=self.mark)
            when = f"snapshot of {time_text(self._timestamp // 1_000_000)} UTC"
            saved = {"title": title, "caption": when, "hint": "run the notebook for live data", "mark": self.mark}
            return self._contents.sheet(rows, **saved)

    def rendered(self) -> Any:
        """Return what `render` makes of the value; what is wrong, where there is none or it raises."""
        if self.render is None or self._status in ("loading", "error"):
            return self.sheet()
        return draw(self.render, copy_value(self._value))

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        return None if bundle is None else ({**bundle[0], **self.sheet()._repr_mimebundle_()}, bundle[1])

    def __repr__(self) -> str:
        return f"<LiveView {self.path} {self._status}>"

    # -- to and from the browser

    def whole(self) -> Update:
        """Return what a page draws when it meets this widget."""
        with self._lock:
            return self._screen.whole()

    @property
    def tabs(self) -> frozenset[str]:
        """The visible pages that show the view."""
        return self._screen.tabs

    def carry(self, updates: Updates) -> bool:
        """Send updates of this view and of others, unless it is closed."""
        with self._lock:
            if self.comm is None:
                return False
            self.send(updates)
            return True

    def drawn(self, sequence: int) -> None:
        """A page has drawn the view up to this update."""
        with self._lock:
            self._screen.drawn(sequence)
            self._screen.pump()

    def _export(self, content: Mapping[str, Any]) -> None:
        tab = content["tab"]
        with self._lock:
            if content["type"] == "export":
                window = self._contents.window
                self._exports.begin(tab, content["format"], window.rows, self._contents.names, self._origin())
            part = self._exports.next_part(tab)
            if self.comm is not None:
                self.send({"type": "part", "tab": tab, "done": part is None}, [] if part is None else [part])

    def _select(self, key: str) -> None:
        with self._lock:
            row = self._contents.window.row(key)
        id = None if row is None else row.get("_id")
        if id is not None:
            self.selection = id

    def _edit(self, content: Mapping[str, Any]) -> None:
        with self._lock:
            row = self._contents.window.row(content["key"])
        answer = answer_to(self.editing, row, content)
        with self._lock:
            if self.comm is not None:
                self.send(answer)

    def _picture(self) -> Picture:
        table, rows = self._contents.drawn()
        state = self._state_now()
        head: Head = {
            **table,
            "path": self.path,
            "arguments": self._chips(),
            "state": state,
            "note": self._note(state),
            "problem": problem_of(self._error) if self._error is not None else None,
            "timestamp": str(self._timestamp),
            "duration": round(self._duration, 3),
            "edit": self.editing.fields if self.editing is not None else None,
            "more": self._more(),
            "jumps": self._panel.has_jumps,
            "opened": self._panel.picture(self._contents.window.row, self.editing),
        }
        return Picture(head, rows, self._contents.body)

    def _state_now(self) -> State:
        if self._paused:
            return "paused"
        if self._query is None:
            return "loading"
        if self._updating:
            return "updating"
        return "live" if self._error is None else "error"

    def _more(self) -> More | None:
        return None

    def _chips(self) -> list[tuple[str, str]]:
        return [(name, preview(value, 60)) for name, value in (self._arguments or {}).items()]

    def _note(self, state: State) -> str:
        if state == "loading":
            return "Waiting: one of its arguments has no value yet." if self._arguments is None else ""
        if state == "paused":
            return f"Paused, {counted(self._behind, 'commit')} behind." if self._behind else "Paused."
        contents, window = self._contents, self._contents.window
        if self._query is None or self._surroundings is None or contents.kind != "table" or window.total:
            return "No row passes the filter." if window.filter and not len(window) else ""
        return self._surroundings.empty_note(self._query.tables)

    def _from_browser(self, content: Mapping[str, Any]) -> None:
        kind = content.get("type")
        if kind == "pause":
            self.pause()
        elif kind == "resume":
            self.resume()
        elif kind in ("export", "part"):
            self._export(content)
        elif kind == "edit":
            self._edit(content)
        elif kind == "select":
            self._select(content["key"])
        elif kind in ("open", "back", "shut"):
            self._panel.take(content, self._contents.window.row, self.editing)
        elif kind == "drawn":
            self._carrier.drawn(content["of"])
        with self._lock:
            screen = self._screen
            if kind == "hello":
                was_hidden = screen.is_hidden
                screen.hello(content["tab"], content["sequence"])
                if was_hidden:
                    self._on_active()
            elif kind == "hidden":
                screen.hidden(content["tab"])
            elif kind in ("open", "back", "shut") or self._contents.do(content):
                screen.touch()
            screen.pump()
