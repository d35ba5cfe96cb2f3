"""The magics: `%%convex_schema`, `%%convex_query` and their like, and `%convex`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import traitlets
from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display

from convex_nb.deployment.clients.paginated import OPTIONS as PAGE_OPTIONS, PAGE_SIZE
from convex_nb.deployment.current import current
from convex_nb.deployment.definitions import anonymous_function
from convex_nb.language.schema import define_schema, define_table
from convex_nb.notebook.arguments import Arguments
from convex_nb.notebook.cards import needs_arguments_card, once_card
from convex_nb.notebook.cell_body import CellBody, as_handler, last_expression, parse_body, run_cell
from convex_nb.notebook.commands import run_command
from convex_nb.notebook.component_cell import define_in_cell
from convex_nb.notebook.declared_schema import declare, tables_in
from convex_nb.notebook.form import form, show_runners
from convex_nb.notebook.function_cells import Defined, define, required_arguments
from convex_nb.notebook.offered import OFFERED
from convex_nb.notebook.options import parse_options
from convex_nb.notebook.session import get_session
from convex_nb.notebook.sql_cell import open_sql_view
from convex_nb.views.result_sheet import sheet_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.definition import Function, Kind, Visibility
    from convex_nb.views.card import Card

_done_once: WeakKeyDictionary[Deployment, set[str]] = WeakKeyDictionary()
"""The `--once` names that have run. They outlive a reload of the extension, as the documents do."""


@magics_class
class ConvexMagics(Magics):
    """The magics of convex_nb. `%config ConvexMagics.display = "static"` shows tables instead of widgets."""

    shell: InteractiveShell
    display = traitlets.Enum(["live", "static"], "live", help="live widgets, or plain tables").tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        if get_session().twins.static:
            self.display = "static"

    @traitlets.observe("display")
    def _display_changed(self, change: Mapping[str, Any]) -> None:
        get_session().twins.static = change["new"] == "static"

    @magic_arguments()
    @argument("module", nargs="?", help="the functions' module: `messages` makes `messages:recent` of `recent`")
    @argument("--args", nargs="*", help="arguments, name=expression; a widget is followed")
    @argument("--as", dest="name", help="bind the live view, or the answer of --no-live, to this name")
    @argument("--no-live", action="store_true", help="define, or answer once, without a live view")
    @argument("--internal", action="store_true", help="clients cannot call what the cell defines")
    @argument("-q", "--quiet", action="store_true", help="say nothing about what was defined")
    @no_var_expand
    @cell_magic
    def convex_query(self, line: str, cell: str) -> Any:
        """Define queries, or ask one right away; the answer is a live view.

        Examples::

            %%convex_query messages
            def recent(ctx, author: str | None = None):
                return ctx.db.query("messages").order("desc").take(50)

            %%convex_query --as large
            db.query("messages").filter(lambda q: q.field("size") > 100).collect()
        """
        options, body = self._read(self.convex_query, line, cell)
        arguments = options.args or {}
        if not body.handlers:
            handler = as_handler(self.shell, body, arguments)
            return self._answer(anonymous_function(handler, "query", last_expression(body)), arguments, options)
        defined = self._define("query", body, options)
        if defined.has_value or options.no_live:
            return defined.value
        function = defined.functions[-1]
        missing = [name for name in required_arguments(function) if name not in arguments]
        if len(missing) == 1 and missing[0] in PAGE_OPTIONS:
            pages = get_session().open_pages(current(), function, str(function.path), arguments, PAGE_SIZE)
            return self._named(pages, options)
        if missing:
            self._say(needs_arguments_card(function, missing), options)
            # On paper a form says no more than the signature does.
            return form(function, arguments) if get_session().twins.shows_widgets and not options.quiet else None
        return self._answer(function, arguments, options)

    @magic_arguments()
    @argument("module", nargs="?", help="the functions' module: `messages` makes `messages:send` of `send`")
    @argument("--args", nargs="*", help="names for the body of a transaction, name=expression")
    @argument("--internal", action="store_true", help="clients cannot call what the cell defines")
    @argument("--once", metavar="NAME", help="run the transaction once per deployment, so that Run All may be repeated")
    @argument("-q", "--quiet", action="store_true", help="say nothing about what was defined or written")
    @no_var_expand
    @cell_magic
    def convex_mutation(self, line: str, cell: str) -> Any:
        """Define mutations, or run one transaction right away.

        Examples::

            %%convex_mutation messages
            def send(ctx, author: str, body: str):
                return ctx.db.insert("messages", {"author": author, "body": body})

            %%convex_mutation --once seed
            for author in ("Ada", "Bob"):
                db.insert("messages", {"author": author, "body": "hello"})
        """
        options, body = self._read(self.convex_mutation, line, cell)
        if body.handlers:
            return self._define("mutation", body, options).value
        deployment, arguments = current(), options.args or {}
        done = _done_once.setdefault(deployment, set())
        if options.once in done:
            self._say(once_card(options.once), options)
            return None
        function = anonymous_function(
            as_handler(self.shell, body, arguments), "mutation", options.once or "transaction"
        )
        calls = get_session().calls
        calls.begin()
        value = deployment.mutation(function, arguments)
        self._say(calls.card(deployment), options)
        if options.once is not None:
            # No value: the second time there is none, and a notebook that runs again should look the same.
            done.add(options.once)
            return None
        return value

    @magic_arguments()
    @argument("module", nargs="?", help="the functions' module: `mail` makes `mail:send` of `send`")
    @argument("--internal", action="store_true", help="clients cannot call what the cell defines")
    @argument("-q", "--quiet", action="store_true", help="say nothing about what was defined")
    @no_var_expand
    @cell_magic
    def convex_action(self, line: str, cell: str) -> Any:
        """Define actions: functions that reach the world outside, and the tables by queries and mutations.

        Examples::

            %%convex_action mail
            async def send(ctx, to: str):
                letter = ctx.run_query("mail:letter", to=to)
                ...
        """
        options, body = self._read(self.convex_action, line, cell)
        if not body.handlers:
            raise UsageError(
                "%%convex_action: the cell defines no action. Write `def send(ctx, ...)`, or `async def`, and call it "
                "from another cell: what an action does once is done in a cell as well."
            )
        return self._define("action", body, options).value

    @magic_arguments()
    @argument("--check", action="store_true", help="say whether the stored documents fit, and change nothing")
    @argument("-q", "--quiet", action="store_true", help="say nothing about what changed")
    @no_var_expand
    @cell_magic
    def convex_schema(self, line: str, cell: str) -> None:
        """Declare tables: each `name = define_table(...)` is one. `define_table` and `v` need no import here.

        Examples::

            %%convex_schema
            messages = define_table({"author": v.string(), "body": v.string()}).index("by_author", ["author"])

            %%convex_schema --check
            messages = define_table({"author": v.string(), "body": v.string(), "likes": v.number()})
        """
        options, body = self._read(self.convex_schema, line, cell)
        try:
            scope = run_cell(
                self.shell, body, {**OFFERED, "define_table": define_table, "define_schema": define_schema}
            )
        except NameError as error:
            if error.name in ("table", "defineTable"):
                error.add_note("A table is declared by `define_table({...})`.")
            raise
        tables = tables_in(scope)
        if not tables:
            raise UsageError("%%convex_schema: the cell declares no table. Write `messages = define_table({...})`.")
        self._say(declare(current(), get_session().cell or "", tables, check=options.check), options)

    @magic_arguments()
    @argument("component", help="the component's name; the notebook has it as a variable")
    @argument("--name", action="append", help="install it under this name instead; may be repeated")
    @argument("-q", "--quiet", action="store_true", help="say nothing about what was defined")
    @no_var_expand
    @cell_magic
    def convex_component(self, line: str, cell: str) -> None:
        """Define a component and install it: tables and functions of its own, called by `components.<name>.<function>`.

        `query`, `mutation`, `action`, their internal kin, `use`, `define_table` and `v` need no import here, and mean
        those of the component. Other names that the cell binds are the component's alone.

        Examples::

            %%convex_component counter --name likes
            counts = define_table({"name": v.string(), "n": v.number()}).index("by_name", ["name"])

            @mutation
            def add(ctx, name: str):
                return ctx.db.insert("counts", {"name": name, "n": 1})
        """
        options, body = self._read(self.convex_component, line, cell)
        component, card = define_in_cell(self.shell, current(), body, options.component, options.name)
        self.shell.user_ns[component.name] = component
        self._say(card, options)

    @magic_arguments()
    @argument("--as", dest="name", help="bind the live view to this name")
    @no_var_expand
    @cell_magic
    def convex_sql(self, line: str, cell: str) -> Any:
        """Ask the tables in SQL: one SELECT of DuckDB's; the answer is a live view.

        `$name` stands for a variable of the notebook, or follows a widget; a DataFrame is a table by its name. EXPLAIN
        and SHOW TABLES are answered once; no file and no address is in reach.

        Examples::

            %%convex_sql
            SELECT author, count(*) AS messages FROM messages GROUP BY author

            %%convex_sql --as large
            SELECT * FROM messages WHERE size > $least
        """
        options = parse_options(self.convex_sql, line, self.shell.user_ns)
        view = open_sql_view(current(), cell, self.shell.user_ns)
        return self._named(view, options)

    @no_var_expand
    @line_magic
    def convex(self, line: str) -> Any:
        """What the deployment holds, and what to do with it.

        ::

            %convex                       status
            %convex tables                tables with their documents and indexes
            %convex functions             functions with their arguments, and where they were defined
            %convex logs                  the newest calls and what they printed, as they come
            %convex metrics               calls, errors, cache hits and durations of each function
            %convex schema                the schema, as code
            %convex schedules             what runs by the clock: crons and scheduled functions
            %convex env                   names of environment variables; set NAME VALUE, unset NAME
            %convex files                 stored files; ID shows one; store PATH, delete ID
            %convex serve [PORT]          let apps connect, by HTTP and WebSocket; `serve stop` ends it
            %convex explain NAME [k=v]    how a query reads: index, range, rows, and why
            %convex open PATH             what a durable file holds, in place of the current deployment
            %convex save PATH             go on in a new durable file, or in PostgreSQL
            %convex export PATH [TABLE]   everything to a ZIP file, or a table to a CSV, JSON or Parquet file
            %convex import TABLE PATH     the rows of a file into a table; `replace` after it to put them in its place
            %convex history [TABLE] [ID]  what changed, newest first
            %convex dashboard [PAGE]      live pages about all of it; `dashboard data` begins at one
            %convex drop NAME             forget a function
            %convex display static|live   plain tables instead of widgets, and back
            %convex reset                 a new, empty deployment in place of this one
            %convex help                  what each of these shows or does

        Examples::

            %convex tables
            %convex explain messages:recent author="Ada"
        """
        shown = run_command(line)
        self.display = "static" if get_session().twins.static else "live"
        return shown

    def _read(self, magic: Any, line: str, cell: str) -> tuple[Namespace, CellBody]:
        options = parse_options(magic, line, self.shell.user_ns)
        return options, parse_body(self.shell, f"%%{magic.__name__} {line}".rstrip(), cell)

    def _define(self, kind: Kind, body: CellBody, options: Namespace) -> Defined:
        visibility: Visibility = "internal" if options.internal else "public"
        defined = define(self.shell, current(), body, kind, module=options.module, visibility=visibility)
        has_runners = kind != "query" and not options.quiet and get_session().twins.shows_widgets
        self._say(replace(defined.card, has_widgets=has_runners), options)
        if has_runners:
            show_runners(defined.functions)
        return defined

    def _answer(self, function: Function, arguments: Mapping[str, Any], options: Namespace) -> Any:
        """Show the answer of a query: as a live view, which is also the cell's value, or once, as a table."""
        title = function.path or function.__name__
        if options.no_live:
            answer = current().query(function, Arguments(arguments).current() or {})
            display(sheet_of(answer, title=title))
        else:
            answer = get_session().open_view(current(), function, title, arguments)
        self._named(answer, options)
        return None if options.no_live else answer

    def _named(self, answer: Any, options: Namespace) -> Any:
        if options.name is not None:
            self.shell.user_ns[options.name] = answer
        return answer

    def _say(self, card: Card | None, options: Namespace) -> None:
        if card is not None and not options.quiet:
            display(card)
