"""Data: the tables, and the documents of one of them, filtered and edited."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, Final

from convex_nb.deployment.components.installed import inside
from convex_nb.deployment.definitions import anonymous_function, document_of
from convex_nb.language.describing import counted
from convex_nb.language.documents import SYSTEM_FIELDS, without_system_fields
from convex_nb.language.encoding import loads, to_json
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.validators import ObjectValidator, Validator, v
from convex_nb.language.values import UNDEFINED
from convex_nb.views.cells import escaped
from convex_nb.views.columns import columns_of_table
from convex_nb.views.dashboard.blocks import (
    Block,
    Field,
    bar,
    button,
    choice,
    copier,
    field,
    form,
    listing,
    words,
)
from convex_nb.views.dashboard.conditions import OPERATORS, Condition, code_of, select
from convex_nb.views.dashboard.table_schema import schema_blocks
from convex_nb.views.dashboard.whole_tables import WholeTables
from convex_nb.views.editing import Editing
from convex_nb.views.live_view import LiveView

SHOWN: Final = 5_000
"""The newest documents that a table shows; a filter looks at all."""
LOOKED_AT: Final = 200
"""Documents whose fields are those of a table without a schema."""


def _read(ctx: Any, table: str, conditions: Any, component: str) -> Any:
    return select(inside(ctx.db, component), table, conditions, SHOWN)


_documents = anonymous_function(_read, "query", "dashboard:documents")
_document = anonymous_function(document_of.handler, "query", "dashboard:document")


class Data(WholeTables):
    """Tables at the left, the documents of one as a live table, and what can be done with them."""

    name: ClassVar[str] = "data"

    def follow(self) -> None:
        self.on_commits()
        self._schema: Any = None
        self._editable: Mapping[str, Validator] = {}

    def has_moved(self) -> bool:
        return self.owner.schema is not self._schema

    @property
    def table(self) -> str | None:
        """The table that is shown: the one that was chosen, or the first one."""
        tables = self.owner.tables
        chosen = self.memory.get("table")
        return chosen if chosen is not None and chosen in tables else next(iter(tables), None)

    @property
    def conditions(self) -> list[Condition]:
        """The rows of the filter as they were sent last."""
        found: list[Condition] = self.memory.setdefault("conditions", [])
        return found

    # -- what is shown

    def blocks(self) -> Iterable[Block]:
        owner = self.owner
        schema = self._schema = owner.schema
        # Chosen from now on: another table that comes first must not take its place.
        table = self.memory["table"] = self.table
        shown = f"{self.component} {table}"
        self.drop_others("documents", shown)
        tables = owner.tables
        yield from self.chooser()
        yield listing(
            "tables",
            "Tables",
            [
                {
                    "key": name,
                    "label": name,
                    "note": f"{each.count():,}",
                    "on": name == table,
                }
                for name, each in tables.items()
            ],
            "table",
        )
        if table is None:
            nothing = "No tables yet: declare one in a %%convex_schema cell, or insert a document."
            yield words("none", "This component has no tables yet." if self.component else nothing, "soft")
            return
        panel = self.memory.get("panel")
        view = self.inside(f"documents {shown}", partial(self._open, table))
        self._edit(view, table)
        yield form("filter", self._filter_rows(), self._filter_buttons(), version=self.memory.get("version", 0))
        yield bar("bar", self._buttons(table, panel))
        if panel in ("add", "edit", "patch"):
            yield self._editor(table, panel)
        if panel == "schema":
            yield from schema_blocks(self, table, None if schema is None else schema.tables.get(table))
        yield self.drawn(f"documents {shown}")
        count = tables[table].count()
        if isinstance(view.value, list) and len(view.value) >= SHOWN:
            yield words("limit", f"The newest {SHOWN:,} of {count:,} documents; a filter looks at all of them.", "soft")

    def _filter_rows(self) -> list[list[Field]]:
        names = [*self._fields(), *reversed(SYSTEM_FIELDS)]
        return [
            [
                choice(f"field{number}", "Field", names, each.field),
                choice(f"operator{number}", "Operator", OPERATORS, each.operator),
                field(f"value{number}", "Value", each.text, hint='text, 5, true, {"a": 1}', wide=True),
            ]
            for number, each in enumerate(self.conditions)
        ]

    def _filter_buttons(self) -> list[Any]:
        if not self.conditions:
            return [button("+ Filter", "more", "add a filter", submits=True)]
        copied = copier("Copy as cell", code_of(str(self.table), self._sound()), "copy a cell that asks for the same")
        return [
            button("Apply", "apply", "show the documents that meet all of these", submits=True, tone="ok"),
            button("+ Filter", "more", "add a filter", submits=True),
            button("Clear", "unfilter", "show all documents"),
            copied,
        ]

    def _sound(self) -> list[Condition]:
        return [each for each in self.conditions if each.text.strip()]

    def _buttons(self, table: str, panel: str | None) -> list[Any]:
        chosen, filtered = self._chosen(), bool(self._sound())
        buttons = [button("Add documents", "panel", key="add", on=panel == "add")]
        if chosen is not None:
            buttons += [
                button("Edit document", "panel", "edit the document in whose row the cursor is", key="edit"),
                button("Delete document", "delete", "delete the document in whose row the cursor is"),
            ]
        if filtered:
            buttons += [
                button("Edit all shown", "panel", "put fields into all documents that meet the filter", key="patch"),
                button("Delete all shown", "delete_shown", "delete all documents that meet the filter"),
            ]
        buttons.append(button("Schema and indexes", "panel", key="schema", on=panel == "schema"))
        return [*buttons, *self.table_buttons(table)]

    def _editor(self, table: str, panel: str) -> Block:
        version = self.memory.get("version", 0)
        labels = {
            "add": ("Documents, as JSON: one object, or a list of them", "{}", "Insert"),
            "edit": (f"{self.memory.get('edited')}", self.memory.get("text", "{}"), "Save"),
            "patch": ("Fields, as JSON: they are put into every document that is shown", "{}", "Put into all"),
        }
        label, text, verb = labels[panel]
        rows = [[field("text", label, text, kind="area", wide=True)]]
        buttons = [button(verb, f"{panel}_documents", submits=True, tone="ok"), button("Cancel", "panel", "close")]
        return form("editor", rows, buttons, version=version, title=f"{table}")

    # -- the live table

    def _open(self, table: str) -> LiveView:
        view = self.host.view(table, self._watch(table), None)
        view.observe(lambda _: self.mark(), "selection")
        return view

    def _watch(self, table: str) -> Callable[[Callable[[], None]], Any]:
        conditions = []
        for each in self._sound():
            value = each.value()
            conditions.append([each.field, each.operator] + ([] if value is UNDEFINED else [value]))
        given = {"table": table, "conditions": conditions, "component": self.component}
        return lambda on_stale: self.deployment.watch(_documents, given, on_stale)

    def _again(self) -> None:
        """Ask for the documents anew: by other conditions, or with other fields."""
        table = self.table
        view = self._documents_view()
        if table is not None and isinstance(view, LiveView):
            watch = self._watch(table)
            view.ask({}, lambda _: watch(self.host.mark))

    def _edit(self, view: LiveView, table: str) -> None:
        """Let the cells of the fields be edited that there are now."""
        fields = self._validators(table, list(view.value or ())[:LOOKED_AT])
        if view.editing is None or fields != self._editable:
            self._editable = fields
            view.editing = self._editing(table, fields)

    def _editing(self, table: str, fields: Mapping[str, Validator]) -> Editing:
        def run(arguments: Mapping[str, Any]) -> object:
            changed = {name: value for name, value in arguments.items() if name != "_id"}
            return self.change("edit", lambda db: db.patch(table, arguments["_id"], changed))

        each_alone = {name: v.optional(each) for name, each in fields.items()}
        # Ids are the deployment's: they know a table by its whole name.
        validator = v.object({"_id": v.id(self.whole(table)), **each_alone})
        return Editing(table, validator, run, lambda id: self.deployment.query(_document, {"id": id}))

    def _validators(self, table: str, newest: Iterable[Any]) -> Mapping[str, Validator]:
        """The fields of a table, by the schema or as its newest documents have them."""
        schema = self.owner.schema
        declared = None if schema is None else schema.tables.get(table)
        if declared is not None and isinstance(declared.validator, ObjectValidator):
            return declared.validator.fields
        kinds: dict[str, set[type]] = {}
        for document in newest:
            for name, value in document.items():
                if name not in SYSTEM_FIELDS:
                    kinds.setdefault(name, set()).add(type(value))
        simple: dict[frozenset[type], Validator] = {frozenset({str}): v.string(), frozenset({bool}): v.boolean()}
        return {name: simple.get(frozenset(types), v.any()) for name, types in kinds.items()}

    def _fields(self) -> list[str]:
        table = self.table
        schema = self.owner.schema
        declared = None if schema is None or table is None else schema.tables.get(table)
        if declared is not None:
            named = columns_of_table(declared)
            if named:
                return list(named)
        return list(self._editable)

    def _documents_view(self) -> object:
        return self._shown.get(f"documents {self.component} {self.table}")

    def _chosen(self) -> str | None:
        view = self._documents_view()
        selection = view.selection if isinstance(view, LiveView) else None
        return str(selection) if selection is not None else None

    # -- what a reader does

    def do_table(self, content: Mapping[str, Any]) -> None:
        self.memory |= {"table": content["key"], "conditions": [], "panel": None, "inferred": None}

    def do_panel(self, content: Mapping[str, Any]) -> None:
        wanted = content.get("key")
        # Another document may be edited in place of the one that is open.
        self.memory["panel"] = None if wanted == self.memory.get("panel") != "edit" else wanted
        self.memory["version"] = self.memory.get("version", 0) + 1
        self.memory["inferred"] = None
        if wanted == "edit":
            id = self._chosen()
            document = self.deployment.query(_document, {"id": id}) if id is not None else None
            if document is None:
                self.memory["panel"] = None
                raise InvalidValueError("The document is gone.")
            text = json.dumps(to_json(without_system_fields(document)), ensure_ascii=False, indent=2)
            self.memory |= {"edited": id, "text": escaped(text)}

    def _entered(self, content: Mapping[str, Any]) -> None:
        entries = content.get("entries", {})
        conditions = [
            Condition(entries[f"field{number}"], entries[f"operator{number}"], entries[f"value{number}"])
            for number in range(len(self.conditions))
            if f"field{number}" in entries
        ]
        for each in conditions:
            if each.text.strip():
                each.value()
        self.memory["conditions"] = conditions

    def do_more(self, content: Mapping[str, Any]) -> None:
        self._entered(content)
        first = next(iter(self._fields()), "_id")
        self.conditions.append(Condition(first, "eq", ""))

    def do_apply(self, content: Mapping[str, Any]) -> None:
        self._entered(content)
        self._again()

    def do_unfilter(self, _: Mapping[str, Any]) -> None:
        self.memory["conditions"] = []
        self._again()

    def do_add_documents(self, content: Mapping[str, Any]) -> None:
        table, given = str(self.table), loads(content["entries"]["text"])
        documents = given if isinstance(given, list) else [given]
        self.change("add", lambda db: [db.insert(table, each) for each in documents])
        self._close_panel(f"{counted(len(documents), 'document')} added to {table}.")

    def do_edit_documents(self, content: Mapping[str, Any]) -> None:
        table, id, fields = str(self.table), self.memory["edited"], loads(content["entries"]["text"])
        self.change("edit", lambda db: db.replace(table, id, fields))
        self._close_panel("The document was saved.")

    def do_patch_documents(self, content: Mapping[str, Any]) -> None:
        table, fields = str(self.table), loads(content["entries"]["text"])
        ids = self._ids_shown()

        def patch() -> str:
            self.change("edit", lambda db: [db.patch(table, id, fields) for id in ids])
            return f"{counted(len(ids), 'document')} of {table} changed."

        self._close_panel("")
        self.ask(f"Put these fields into {counted(len(ids), 'document')} of {table}?", "Change all", table, patch)

    def do_delete(self, _: Mapping[str, Any]) -> None:
        id = self._chosen()
        if id is not None:
            self._ask_to_delete([id], f"the document {id}")

    def do_delete_shown(self, _: Mapping[str, Any]) -> None:
        ids = self._ids_shown()
        self._ask_to_delete(ids, counted(len(ids), "document"))

    def _ask_to_delete(self, ids: list[str], what: str) -> None:
        table = str(self.table)

        def delete() -> str:
            self.change("delete", lambda db: [db.delete(table, id) for id in ids])
            return f"{counted(len(ids), 'document')} deleted from {table}."

        self.ask(f"Delete {what} from {table}?", "Delete", table, delete)

    def _ids_shown(self) -> list[str]:
        view = self._documents_view()
        return [each["_id"] for each in view.value or ()] if isinstance(view, LiveView) else []

    def _close_panel(self, said: str) -> None:
        self.memory["panel"] = None
        if said:
            self.say(said)
