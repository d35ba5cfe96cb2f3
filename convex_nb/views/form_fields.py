"""What a form asks for: the fields that a validator describes, and the value that their entries make."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NotRequired, TypeAlias, TypedDict

from convex_nb.language.describing import describe
from convex_nb.language.encoding import loads
from convex_nb.language.errors import ConvexNbError, ValidationError
from convex_nb.language.ordering import same_value
from convex_nb.language.validators import (
    ArrayValidator,
    IdValidator,
    LiteralValidator,
    NumberValidator,
    ObjectValidator,
    RecordValidator,
    UnionValidator,
    Validator,
)
from convex_nb.language.values import Int64
from convex_nb.views.cells import number_text, preview
from convex_nb.views.columns import label_of

FieldKind: TypeAlias = Literal[
    "string", "number", "boolean", "null", "bytes", "id", "file", "choice", "array", "object", "record", "union", "any"
]

FILES: Final = "_storage"
"""The table whose ids are those of stored files."""
HINT_MOST: Final = 60
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE)
_KINDS: Final[Mapping[str, FieldKind]] = {
    "string": "string",
    "float64": "number",
    "int64": "number",
    "boolean": "boolean",
    "null": "null",
    "bytes": "bytes",
}


class Field(TypedDict):
    """One field as the browser draws it.

    What it sends back is an entry: a text for texts, numbers, ids, bytes and JSON, true or false for a boolean, the
    number of a choice, `{"file": number}` for a file that was sent before (or its id), a list or an object of entries,
    pairs for a record, `[member, entry]` for a union, and nothing for an optional field that is not set.
    """

    kind: FieldKind
    type: str  # "number", "id<users>", "string | null"
    name: NotRequired[str]
    optional: NotRequired[bool]
    hint: NotRequired[str]  # what holds where nothing is entered
    initial: NotRequired[str | bool | int]  # the entry to begin with, of a default
    table: NotRequired[str]  # of an id
    choices: NotRequired[list[str]]
    fields: NotRequired[list[Field]]  # of an object
    item: NotRequired[Field]  # of an array; the value of a record
    members: NotRequired[list[Field]]  # of a union


class EntryError(ValueError):
    """An entry that is no value of its field. `path` leads to the field: names and places from the top."""

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


def field_of(validator: Validator, **rest: Any) -> Field:
    """Return what a form shows for a validator."""
    field: Field = {"kind": "any", "type": label_of(validator), **rest}  # type: ignore[typeddict-item]
    if validator.is_optional:
        field["optional"] = True
    if isinstance(validator, LiteralValidator) or _is_choice(validator):
        members = validator.members if isinstance(validator, UnionValidator) else (validator,)
        field |= {"kind": "choice", "choices": _choice_texts([_choice(member) for member in members])}
    elif isinstance(validator, UnionValidator):
        field |= {"kind": "union", "members": [field_of(member) for member in validator.members]}
    elif isinstance(validator, ObjectValidator):
        field |= {"kind": "object", "fields": fields_of(validator)}
    elif isinstance(validator, ArrayValidator):
        field |= {"kind": "array", "item": field_of(validator.element)}
    elif isinstance(validator, RecordValidator):
        field |= {"kind": "record", "item": field_of(validator.value)}
    elif isinstance(validator, IdValidator) and validator.table_name == FILES:
        field |= {"kind": "file", "type": "file"}
    elif isinstance(validator, IdValidator):
        field |= {"kind": "id", "table": validator.table_name}
    else:
        field["kind"] = _KINDS.get(validator.kind, "any")
    return field


def fields_of(validator: ObjectValidator, defaults: Mapping[str, Any] | None = None) -> list[Field]:
    """Return the fields of an object, with a hint for those that have a default."""
    fields: list[Field] = []
    for name, member in validator.fields.items():
        field = field_of(member, name=name)
        if name in (defaults or {}):
            default = (defaults or {})[name]
            field["hint"] = f"{preview(default, HINT_MOST)} if not set"
            initial = _entry_of(member, field["kind"], default)
            if initial is not None:
                field["initial"] = initial
        fields.append(field)
    return fields


def _entry_of(validator: Validator, kind: FieldKind, value: Any) -> str | bool | int | None:
    """The entry that makes a value, where a form begins with it; None where it begins empty."""
    if kind == "choice":
        members = validator.members if isinstance(validator, UnionValidator) else (validator,)
        places = [place for place, member in enumerate(members) if same_value(_choice(member), value)]
        return places[0] if places else None
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind == "number" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return number_text(value)
    return value if kind == "string" and isinstance(value, str) else None


def value_of(validator: Validator, entry: Any) -> Any:
    """Return the value that an entry makes. Raises `EntryError`."""
    return _checked(validator, _read(validator, entry))


def value_of_json(validator: Validator, text: str) -> Any:
    """Return the value that a text of JSON makes. Raises `EntryError`, which says where in the value it lies."""
    try:
        return _checked(validator, _json(_of_type(text, str, "an entry")))
    except EntryError as error:
        place = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in error.path).removeprefix(".")
        raise EntryError(f"{place}: {error}" if place else str(error), error.path) from None


def _checked(validator: Validator, value: Any) -> Any:
    try:
        return validator.validate(value)
    except ConvexNbError as error:
        raise EntryError(reason_of(error), place_of(error)) from None


def values_of(validator: ObjectValidator, entries: Mapping[str, Any]) -> tuple[dict[str, Any], list[EntryError]]:
    """Return the values of an object's fields, and what is wrong with the others: one error for each of them."""
    values: dict[str, Any] = {}
    errors: list[EntryError] = []
    for name, field in validator.fields.items():
        if name not in entries and field.is_optional:
            continue
        try:
            values[name] = value_of(field, entries.get(name))
        except EntryError as error:
            errors.append(EntryError(str(error), (name, *error.path)))
    return values, errors


def place_of(error: Exception) -> tuple[str, ...]:
    """Return where in a value an error lies: names and places from the top."""
    return tuple(re.findall(r"[^.\[\]]+", getattr(error, "path", "")))


def reason_of(error: Exception) -> str:
    """Return what is wrong with a value, in a sentence that stands beside its field."""
    if isinstance(error, ValidationError) and error.validator and error.reason.startswith("Value does not match"):
        return f"{describe(error.value, 40)} does not fit {error.validator}."
    return getattr(error, "reason", str(error))


def _is_choice(validator: Validator) -> bool:
    return isinstance(validator, UnionValidator) and all(
        isinstance(member, LiteralValidator) or member.kind == "null" for member in validator.members
    )


def _choice_texts(values: Sequence[Any]) -> list[str]:
    # Quotes tell texts from numbers; where there are only texts they are in the way.
    bare = all(isinstance(value, str) for value in values)
    return [value if bare else preview(value, HINT_MOST) for value in values]


def _choice(validator: Validator) -> Any:
    return validator.value if isinstance(validator, LiteralValidator) else None


def _read(validator: Validator, entry: Any) -> Any:
    if isinstance(validator, LiteralValidator) or _is_choice(validator):
        members = validator.members if isinstance(validator, UnionValidator) else (validator,)
        return _choice(members[_place(entry, members)])
    if isinstance(validator, UnionValidator):
        place, inner = entry if isinstance(entry, list) and len(entry) == 2 else (None, None)
        return _read(validator.members[_place(place, validator.members)], inner)
    if isinstance(validator, ObjectValidator):
        entries = _of_type(entry, Mapping, "an object")
        return {
            name: _inside(name, field, entries.get(name))
            for name, field in validator.fields.items()
            if name in entries or not field.is_optional
        }
    if isinstance(validator, ArrayValidator):
        items = _of_type(entry, list, "a list")
        return [_inside(str(place), validator.element, item) for place, item in enumerate(items)]
    if isinstance(validator, RecordValidator):
        values: dict[str, Any] = {}
        for key, item in _of_type(entry, list, "a list of pairs"):
            if key in values:
                raise EntryError(f"{preview(key, 40)} is there twice.", (key,))
            values[key] = _inside(key, validator.value, item)
        return values
    if validator.kind == "null":
        return None
    if validator.kind == "boolean":
        return bool(entry)
    if isinstance(validator, IdValidator) and validator.table_name == FILES:
        return _of_type(entry, str, "a file")
    text = _of_type(entry, str, "an entry")
    if isinstance(validator, NumberValidator):
        return _number(text)
    if validator.kind == "int64":
        return _int64(text)
    if validator.kind == "bytes":
        return _bytes(text)
    return _json(text) if validator.kind == "any" else text


def _inside(name: str, validator: Validator, entry: Any) -> Any:
    try:
        return _read(validator, entry)
    except EntryError as error:
        raise EntryError(str(error), (name, *error.path)) from None


def _of_type(entry: Any, wanted: Any, name: str) -> Any:
    if isinstance(entry, wanted):
        return entry
    raise EntryError(f"This needs {name}.")


def _place(place: Any, members: Sequence[Validator]) -> int:
    if isinstance(place, int) and 0 <= place < len(members):
        return place
    raise EntryError("Choose one.")


def _number(text: str) -> float:
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        raise EntryError(f"{preview(text, 40)} is not a number." if text else "This needs a number.")
    return int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)


def _int64(text: str) -> Int64:
    text = text.strip()
    if not re.fullmatch(r"[+-]?\d+", text) or not -(2**63) <= int(text) < 2**63:
        raise EntryError("This needs a whole number of at most 64 bits.")
    return Int64(int(text))


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise EntryError("Bytes are written as pairs of hexadecimal digits: 00 ff 1a.") from None


def _json(text: str) -> Any:
    try:
        return loads(text)
    except (ConvexNbError, ValueError) as error:
        if not text.strip():
            raise EntryError("This needs a value, as JSON.") from None
        raise EntryError(re.sub("^The text is not JSON", "Not JSON", str(error))) from None
