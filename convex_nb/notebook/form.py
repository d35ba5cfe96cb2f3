"""`form`: fields for a function's arguments, and a button that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from IPython.display import display

from convex_nb.deployment.current import current
from convex_nb.deployment.definitions import anonymous_function, find_function, lasting_name
from convex_nb.language.validators import ObjectValidator
from convex_nb.notebook.arguments import Arguments, merged_arguments
from convex_nb.notebook.cards import milliseconds, written
from convex_nb.notebook.session import get_session
from convex_nb.views.cells import preview
from convex_nb.views.form_view import Asked, FormView
from convex_nb.views.runner import Runner

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.definition import Function

V = TypeVar("V", bound=FormView)

CHOICES_MOST: Final = 50
CHOICE_WORDS: Final = 60


def form(function: Any, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> FormView:
    """Return a form that runs a query, a mutation or an action.

    Its fields are made from the function's validators. Arguments given here are not asked for; they may be widgets, as
    those of `live`. What is wrong is said beside its field, and what the function returns below. `.value`, `.error`
    and `.status` are those of the last call.

    Raises `FunctionNotFoundError`, and `TypeError` for an argument that the function does not take.
    """
    return _open(FormView, function, merged_arguments("form", args, kwargs))


def show_runners(functions: Sequence[Function]) -> None:
    """Display a form for each of these, closed."""
    for function in functions:
        display(_open(Runner, function, {}))


def _open(kind: type[V], function: Any, given: Mapping[str, Any]) -> V:
    session, deployment = get_session(), current()
    called = FormFunction(deployment, function)
    called.check(given)
    arguments = Arguments(given)
    view = session.cells.take(kind, called.path)
    if view is None:
        view = kind(called.path, called, arguments.current, session.cells.discard)
    else:
        view.call(called, arguments.current)
    session.cells.add(view)
    return view


class FormFunction:
    """The function of a form, looked up by its path for each call, so that new code is what runs."""

    def __init__(self, deployment: Deployment, target: Any) -> None:
        self._deployment = deployment
        self._function = find_function(deployment, target)
        self._name: Any = lasting_name(deployment, self._function)
        self._has_begun = False
        self.path = self._function.path or self._function.__name__

    def check(self, given: Mapping[str, Any]) -> None:
        """Raise `TypeError` unless the function takes all of these."""
        args = self._function.args
        unknown = sorted(given.keys() - args.fields.keys()) if isinstance(args, ObjectValidator) else []
        if unknown:
            taken = ", ".join(args.fields) if isinstance(args, ObjectValidator) else ""
            raise TypeError(f"`{self.path}` has no argument `{unknown[0]}`; it takes {taken or 'none'}.")

    def asked(self) -> Asked:
        """Return what the function takes now."""
        function = self._current()
        parameters = signature(function.handler).parameters.values()
        defaults = {each.name: each.default for each in parameters if each.default is not Parameter.empty}
        return Asked(function.kind, function.args, defaults)

    def run(self, arguments: Mapping[str, Any]) -> tuple[Any, str]:
        """Run it; return its value and what is said about the call."""
        calls = get_session().calls
        calls.listen(self._deployment)
        calls.begin()
        started = perf_counter()
        self._has_begun = True
        value = self._deployment.run(self._current(), arguments)
        note = f"ok in {milliseconds((perf_counter() - started) * 1e3)}"
        if self._current().kind == "mutation":
            note += f", wrote {written(calls.writes())}"
        return value, note

    def store(self, data: bytes, media: str | None) -> str:
        """Store a file; return its id."""
        self._has_begun = False
        return self._deployment.files.store(data, content_type=media)

    def forget(self, id: str) -> None:
        """Delete a file that was stored in vain. What an action has done with it before it failed is not known here."""
        if self._function.kind != "action" or not self._has_begun:
            self._deployment.files.delete(id)

    def choices(self, table: str) -> Sequence[tuple[str, str]]:
        """Return the newest ids of a table, each with the beginning of its document."""

        def newest(ctx: Any) -> list[Any]:
            return list(ctx.db.query(table).order("desc").take(CHOICES_MOST))

        documents = self._deployment.query(anonymous_function(newest, "query", f"ids of {table}"))
        return [
            (document["_id"], preview({k: v for k, v in document.items() if not k.startswith("_")}, CHOICE_WORDS))
            for document in documents
        ]

    def _current(self) -> Function:
        if isinstance(self._name, str):
            return self._deployment.functions.get(self._name) or self._function
        return self._function
