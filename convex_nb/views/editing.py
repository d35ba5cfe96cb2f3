"""Cells that a reader may change, through one named mutation and in no other way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from convex_nb.language.validators import IdValidator, ObjectValidator, UnionValidator, Validator
from convex_nb.views.form_fields import EntryError, Field, field_of, value_of

IN_A_CELL: Final = frozenset({"string", "number", "boolean", "choice", "id"})
"""The kinds of fields that have room in a cell."""


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
            if name != self.id_name and field["kind"] in IN_A_CELL:
                self.fields[name] = {**field, "optional": _is_nullable(validator)}

    def commit(self, row: Mapping[str, Any], column: str, entry: Any) -> None:
        """Run the mutation for one cell; an entry of None is null. Raises what refuses it; nothing is written then."""
        if column not in self.fields:
            raise EntryError(f"{column} cannot be edited here.")
        validator = self._args[column]
        value = None if entry is None and _is_nullable(validator) else value_of(_inner(validator), entry)
        required = [
            name for name, each in self._args.items() if not each.is_optional and name not in (self.id_name, column)
        ]
        document = (self._find(row["_id"]) if required else None) or row
        needed = {name: document[name] for name in required if name in document}
        self._run({**needed, self.id_name: row["_id"], column: value})


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
