"""Cells that a reader may change, through one named mutation and in no other way."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from convex_nb.language.encoding import to_json
from convex_nb.language.validators import IdValidator, ObjectValidator, UnionValidator, Validator
from convex_nb.language.values import UNDEFINED
from convex_nb.views.cells import escaped
from convex_nb.views.columns import label_of
from convex_nb.views.form_fields import EntryError, Field, field_of, value_of, value_of_json
from convex_nb.views.messages import Edited
from convex_nb.views.problem import message_of

IN_A_CELL: Final = frozenset({"string", "number", "boolean", "choice", "id"})
"""The kinds of fields that have room in a cell; all others but bytes are edited as JSON."""
LINE_MOST: Final = 60
"""Characters of JSON that stay on one line."""


class Editing:
    """How rows are edited: `run` is the mutation, which takes the id of the row as `id_name`.

    Each of its other arguments makes the column of its name editable. What it needs besides is taken from the document
    as it is now, which `find` gives: the row may be older.
    """

    def __init__(
        self,
        path: str,
        args: Validator,
        run: Callable[[Mapping[str, Any]], object],
        find: Callable[[str], Mapping[str, Any] | None],
    ) -> None:
        self._run, self._find = run, find
        self._args, self.id_name = _arguments_of(path, args)
        self.fields: dict[str, Field] = {}
        for name, validator in self._args.items():
            field = field_of(_inner(validator))
            if name == self.id_name or field["kind"] in ("bytes", "null"):
                continue
            if field["kind"] not in IN_A_CELL:
                # In JSON, null is a word like others: the validator takes the whole.
                self.fields[name] = {"kind": "any", "type": label_of(validator)}
            else:
                self.fields[name] = {**field, "optional": _is_nullable(validator)}

    def takes_json(self, column: str) -> bool:
        """Whether a column is edited as JSON."""
        return column in self.fields and self.fields[column]["kind"] == "any"

    def text_of(self, column: str, value: Any) -> str | None:
        """Return the text from which a value is edited, None where it is not edited as a text."""
        if self.takes_json(column):
            if value is UNDEFINED:
                return ""
            form = to_json(value)
            line = json.dumps(form, ensure_ascii=False)
            return escaped(line if len(line) <= LINE_MOST else json.dumps(form, ensure_ascii=False, indent=2))
        if column not in self.fields or self.fields[column]["kind"] != "string":
            return None
        return value if isinstance(value, str) else "" if value is None or value is UNDEFINED else None

    def commit(self, row: Mapping[str, Any], column: str, entry: Any) -> None:
        """Run the mutation for one cell; an entry of None is null. Raises what refuses it; nothing is written then."""
        if column not in self.fields:
            raise EntryError(f"{column} cannot be edited here.")
        validator = self._args[column]
        if self.takes_json(column):
            value = value_of_json(validator, entry)
        else:
            value = None if entry is None and _is_nullable(validator) else value_of(_inner(validator), entry)
        required = [
            name for name, each in self._args.items() if not each.is_optional and name not in (self.id_name, column)
        ]
        document = (self._find(row["_id"]) if required else None) or row
        needed = {name: document[name] for name in required if name in document}
        self._run({**needed, self.id_name: row["_id"], column: value})


def answer_to(editing: Editing | None, row: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> Edited:
    """Run the mutation for an `Edit`, and return what the browser is told: nothing, or why it was refused."""
    problem = ""
    try:
        if editing is None or row is None:
            raise EntryError("The row has gone." if row is None else "Of this view, nothing here can be edited.")
        editing.commit(row, asked["column"], asked["entry"])
    except Exception as error:
        problem = str(error) if isinstance(error, EntryError) else message_of(error)
    return {"type": "edited", "tab": asked["tab"], "key": asked["key"], "column": asked["column"], "problem": problem}


def _arguments_of(path: str, args: Validator) -> tuple[dict[str, Validator], str]:
    fields = dict(args.fields) if isinstance(args, ObjectValidator) else {}
    ids = [name for name, validator in fields.items() if isinstance(validator, IdValidator)]
    for name in ("id", "_id", *ids):
        if name in fields:
            return fields, name
    raise TypeError(
        f'`{path}` cannot edit rows: it needs a parameter for the id of the row, such as `id: Id["tasks"]`, and '
        "one for each field that may be edited."
    )


def _is_nullable(validator: Validator) -> bool:
    return isinstance(validator, UnionValidator) and any(member.kind == "null" for member in validator.members)


def _inner(validator: Validator) -> Validator:
    """The validator without null, if one other is left."""
    if _is_nullable(validator):
        assert isinstance(validator, UnionValidator)
        others = [member for member in validator.members if member.kind != "null"]
        return others[0] if len(others) == 1 else UnionValidator(*others) if others else validator
    return validator
