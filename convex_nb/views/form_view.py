"""A form that runs a function: fields made from its validators, its answer below them."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

import anywidget
import traitlets

from convex_nb.language.errors import ArgumentValidationError
from convex_nb.language.validators import ObjectValidator, Validator
from convex_nb.views.cells import encode_cell, preview
from convex_nb.views.form_fields import EntryError, Field, field_of, fields_of, place_of, reason_of, value_of, values_of
from convex_nb.views.hearing import hear_beside
from convex_nb.views.marks import next_mark
from convex_nb.views.modules import bundle, style
from convex_nb.views.problem import problem_of
from convex_nb.views.sent_files import FileStore, SentFiles
from convex_nb.views.sheet import Heading, Sheet
from convex_nb.views.tree import tree_of
from convex_nb.views.window import kind_of

HAS_THREADS: Final = sys.platform != "emscripten"
_WHOLE: Final = "arguments"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What a form needs to know of its function now; another one after its cell has run again."""

    kind: str
    args: Validator
    defaults: Mapping[str, Any]


class Called(FileStore, Protocol):
    """The function behind a form."""

    def asked(self) -> Asked: ...
    def run(self, arguments: Mapping[str, Any]) -> tuple[Any, str]:
        """Run it; return its value, and what is said about the call."""

    def choices(self, table: str) -> Sequence[tuple[str, str]]:
        """Return ids of a table to choose from, each with a word about its document."""


class FormView(anywidget.AnyWidget):
    """What `form(...)` returns.

    `status` is "idle", "running", "ok" or "error", `value` what the last good call has returned, `error` what the last
    one raised or None. `observe(callback, "value")` follows them.
    """

    shown_as: ClassVar[str] = "form"
    is_closed: ClassVar[bool] = False
    """Whether it begins as one line that opens."""
    _esm = bundle("form.js")
    _css = style("live.css", "form.css")

    mark = traitlets.Unicode().tag(sync=True)
    shape = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)
    value = traitlets.Any(None, allow_none=True)
    error = traitlets.Any(None, allow_none=True)
    status = traitlets.Unicode("idle")

    def __init__(
        self,
        path: str,
        called: Called,
        fixed: Callable[[], Mapping[str, Any] | None] = dict,
        on_close: Callable[[FormView], None] | None = None,
    ) -> None:
        self.path = path
        self._on_close = on_close
        self._lock = threading.RLock()
        self._files = SentFiles()
        self.call(called, fixed)
        super().__init__(shape=self._shape, answer={"state": "idle"}, mark=next_mark())
        hear_beside(self)
        self.on_msg(lambda _view, content, buffers: self._from_browser(content, buffers))

    def call(self, called: Called, fixed: Callable[[], Mapping[str, Any] | None] = dict) -> None:
        """Run this function from now on; `fixed` gives the arguments that are not asked for."""
        self._called, self._fixed = called, fixed
        self._asked = called.asked()
        self._shape = self._make_shape()
        if getattr(self, "comm", None) is not None:
            self.shape = self._shape

    def close(self) -> None:
        """Leave the screen. A call that runs goes on; closing twice does nothing."""
        if self.comm is not None and self._on_close is not None:
            self._on_close(self)
        super().close()

    def sheet(self) -> Sheet:
        """Return what there is to enter, as a static table."""
        rows = [[field.get("name", ""), field["type"], field.get("hint", "")] for field in self._shape["fields"]]
        headings = [Heading("argument"), Heading("type"), Heading("")]
        return Sheet(
            headings if rows else [],
            rows,
            title=f"{self.path}: {self._asked.kind}",
            caption="run the notebook to use this form",
            mark=self.mark,
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        return None if bundle is None else ({**bundle[0], **self.sheet()._repr_mimebundle_()}, bundle[1])

    def __repr__(self) -> str:
        return f"<FormView {self.path} {self.status}>"

    # -- what is asked for

    def _open_args(self) -> Validator:
        args = self._asked.args
        fixed = self._fixed() or {}
        if not isinstance(args, ObjectValidator):
            return args
        return ObjectValidator({name: field for name, field in args.fields.items() if name not in fixed})

    def _make_shape(self) -> dict[str, Any]:
        args = self._open_args()
        fields: list[Field]
        if isinstance(args, ObjectValidator):
            fields = fields_of(args, self._asked.defaults)
        else:
            fields = [field_of(args, name=_WHOLE)]
        chips = [[name, preview(value, 60)] for name, value in (self._fixed() or {}).items()]
        return {"path": self.path, "kind": self._asked.kind, "fields": fields, "fixed": chips, "closed": self.is_closed}

    # -- what is entered

    def _from_browser(self, content: Mapping[str, Any], buffers: Sequence[Any] = ()) -> None:
        kind = content.get("type")
        if kind == "file":
            self._files.take(content["number"], content["start"], content["media"], buffers[0])
        elif kind == "choices":
            found = self._called.choices(content["table"])
            self.send({"type": "choices", "table": content["table"], "choices": [list(choice) for choice in found]})
        elif kind == "submit":
            with self._lock:
                if self.status == "running":
                    return
                self.status = "running"
            self.answer = {"state": "running"}
            if self._asked.kind == "action" and HAS_THREADS:
                # An action may take minutes; the thread of messages has other views to serve.
                threading.Thread(target=self._submit, args=(content["entries"],), daemon=True).start()
            else:
                self._submit(content["entries"])

    def _submit(self, entries: Mapping[str, Any]) -> None:
        try:
            self._answer(entries)
        except EntriesError as refused:
            self._end("error", {"errors": [[list(error.path), str(error)] for error in refused.errors]})
        except Exception as raised:
            place = list(place_of(raised)) if isinstance(raised, ArgumentValidationError) else []
            errors = [[place, reason_of(raised)]] if place else []
            self._end("error", {"problem": problem_of(raised), "errors": errors}, error=raised)

    def _answer(self, entries: Mapping[str, Any]) -> None:
        if self._called.asked() != self._asked:
            with self.hold_sync():
                self.call(self._called, self._fixed)
                self._end(
                    "error",
                    {"problem": {"message": "The function has changed. Look at the fields again.", "traceback": ""}},
                )
            return
        fixed, args = self._fixed(), self._open_args()
        if fixed is None:
            self._end("error", {"problem": {"message": "An argument is not there yet.", "traceback": ""}})
            return
        with self._files.stored(entries, self._called) as placed:
            value, note = self._called.run({**fixed, **_values(args, placed)})
        shown: dict[str, Any] = {"note": note}
        if value is not None:
            shown["tree" if kind_of(value) != "figure" else "cell"] = (
                tree_of(value) if kind_of(value) != "figure" else encode_cell(value)
            )
        self._end("ok", shown, value=value)

    def _end(self, status: str, answer: Mapping[str, Any], **ended: Any) -> None:
        ended = {"error": None, **ended, "status": status, "answer": {"state": status, "errors": [], **answer}}
        # Whoever follows one of them, on the page or by `observe`, finds the others as they are now.
        with self.hold_sync(), self.hold_trait_notifications():
            for name, each in ended.items():
                self.set_trait(name, each)


class EntriesError(Exception):
    """Entries that are no values of their fields; nothing has run."""

    def __init__(self, errors: Sequence[EntryError]) -> None:
        super().__init__(*map(str, errors))
        self.errors = errors


def _values(args: Validator, entries: Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(args, ObjectValidator):
        values, errors = values_of(args, entries)
        if errors:
            raise EntriesError(errors)
        return values
    try:
        value: Mapping[str, Any] = value_of(args, entries.get(_WHOLE))
    except EntryError as error:
        raise EntriesError([EntryError(str(error), (_WHOLE, *error.path))]) from None
    return value
