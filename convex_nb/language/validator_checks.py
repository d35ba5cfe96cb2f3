"""What generated validator functions call for whatever is not the plain case: conversions, and the errors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.errors import InvalidIdError, InvalidValueError, ValidationError, shorten
from convex_nb.language.ids import decode_id
from convex_nb.language.limits import Limits
from convex_nb.language.ordering import compare_values
from convex_nb.language.validators import (
    BooleanValidator,
    BytesValidator,
    IdValidator,
    Int64Validator,
    LiteralValidator,
    NullValidator,
    NumberValidator,
    ObjectValidator,
    StringValidator,
    Validator,
    WholeNumberValidator,
)
from convex_nb.language.values import UNDEFINED, Id, Int64, Value, checked_key, to_value

_LIMITS = Limits.notebook()
_DOCUMENT_LIMITS = Limits.convex()


def _finding(reason: str, value: object, validator: Validator, path: str, detail: str | None = None) -> ValidationError:
    code = shorten(validator.as_optional(False).to_code())
    if detail is None:
        where = f"\nPath: {path}" if path else ""
        detail = f"{where}\nValue: {shorten(repr(value))}\nValidator: {code}"
    return ValidationError(reason, path=path, value=value, validator=code, detail=detail)


def _about_object(reason: str, value: object, validator: Validator, path: str) -> ValidationError:
    where = f"\nPath: {path}" if path else ""
    code = shorten(validator.as_optional(False).to_code())
    return _finding(reason, value, validator, path, f"{where}\n\nObject: {shorten(repr(value))}\nValidator: {code}")


def refused(value: object, validator: Validator, path: str) -> Exception:
    """Return the error of a value that does not fit; for what is no value at all, the error that says so."""
    try:
        to_value(value, path=path)
    except InvalidValueError as error:
        return error
    return _finding("Value does not match validator.", value, validator, path)


def missing(value: Mapping[str, object], validator: ObjectValidator, path: str) -> Exception:
    """Return the error of an object that lacks a required field."""
    for name, field in validator.fields.items():
        if not field.is_optional and value.get(name, UNDEFINED) is UNDEFINED:
            return _about_object(
                f"Object is missing the required field `{name}`. Consider wrapping the field validator in "
                "`v.optional(...)` if this is expected.",
                value,
                validator,
                path,
            )
    return refused(value, validator, path)


def unexpected(value: Mapping[Any, object], taken: Collection[str], validator: ObjectValidator, path: str) -> None:
    """Raise the error of an object's first field that its validator does not know; `UNDEFINED` ones do not count."""
    for name, item in value.items():
        if name not in taken and item is not UNDEFINED:
            checked_key(name, path, _LIMITS.nested_field_name_length)
            raise _about_object(f"Object contains extra field `{name}` that is not in the validator.", value, validator, path)


def as_string(value: Any, validator: Validator, path: str) -> Value:
    if isinstance(value, str) or type(value).__module__ == "numpy":
        text = to_value(value, path=path)
        if isinstance(text, str):
            return text
    raise refused(value, validator, path)


def as_number(value: Any, validator: Validator, path: str) -> Value:
    number = to_value(value, path=path)
    if type(number) is float or type(number) is int:
        return number
    raise refused(value, validator, path)


def as_whole_number(value: Any, validator: Validator, path: str) -> Value:
    number = as_number(value, validator, path)
    if number != number or number % 1:
        raise _finding("Value does not match validator: a whole number is expected.", value, validator, path)
    return to_value(int(number), path=path)


def as_boolean(value: Any, validator: Validator, path: str) -> Value:
    truth = to_value(value, path=path)
    if type(truth) is bool:
        return truth
    raise refused(value, validator, path)


def as_int64(value: Any, validator: Validator, path: str) -> Value:
    if type(value) is int:
        try:
            return Int64(value)
        except InvalidValueError as error:
            raise InvalidValueError(error.reason, path=path, value=value) from None
    if isinstance(value, int) or type(value).__module__ == "numpy":
        import operator

        if not isinstance(value, bool) and hasattr(value, "__index__") and type(value).__name__ != "bool_":
            return as_int64(operator.index(value), validator, path)
    raise refused(value, validator, path)


def as_bytes(value: Any, validator: Validator, path: str) -> Value:
    data = to_value(value, path=path)
    if type(data) is bytes:
        return data
    raise refused(value, validator, path)


_table_numbers: dict[str, int] = {}


def id_table(text: str) -> int | None:
    """Return the table number of an id, or None; ids seen lately are remembered, since references repeat."""
    number = _table_numbers.get(text)
    if number is None:
        try:
            number = decode_id(text)[0]
        except InvalidIdError:
            return None
        if len(_table_numbers) >= 20_000:
            _table_numbers.clear()
        _table_numbers[str(text)] = number
    return number


def as_id(value: Any, validator: IdValidator, path: str, tables: Mapping[int, str] | None) -> Value:
    if type(value) is not str and type(value) is not Id:
        value = as_string(value, validator, path)
    number = id_table(value)
    if number is None:
        raise refused(value, validator, path)
    if tables is not None:
        table = tables.get(number)
        if table != validator.table_name:
            found = f"table `{table}`" if table is not None else "an unknown table"
            raise _finding(
                f'Found ID "{value}" from {found}, which does not match the table name in validator '
                f"`{validator.as_optional(False).to_code()}`.",
                value,
                validator,
                path,
            )
    return value


def as_literal(value: Any, validator: LiteralValidator, path: str) -> Value:
    wanted = validator.value
    if type(wanted) is Int64 and type(value) is int:
        if value == wanted:
            return wanted
        raise refused(value, validator, path)
    found = to_value(value, path=path)
    if compare_values(found, wanted) == 0:
        return found
    raise refused(value, validator, path)


def as_array(value: Any, validator: Validator, path: str) -> list[Value]:
    if isinstance(value, ReadOnlyList):
        return value
    if isinstance(value, (list, tuple)) and not hasattr(type(value), "_fields"):
        return list(value)
    raise refused(value, validator, path)


def as_object(value: Any, validator: Validator, path: str) -> dict[str, Value]:
    if isinstance(value, dict):
        return value
    raise refused(value, validator, path)


def any_value(value: Any, validator: Validator, path: str, depth: int, document: bool) -> Value:
    if document:
        return document_value(value, path, depth)
    return to_value(value, path=path)


def any_array(value: Any, path: str, depth: int, document: bool) -> Value:
    if document:
        return document_value(value, path, depth)
    return to_value(value, path=path)


def document_value(value: Any, path: str, depth: int) -> Value:
    """Return `value`, found `depth` containers below a document's top, normalised under the limits of documents."""
    normal = to_value(value, path=path, limits=_DOCUMENT_LIMITS)
    allowed = _DOCUMENT_LIMITS.document_nesting - depth
    if type(normal) in (dict, list, Document, ReadOnlyList) and nesting_exceeds(normal, allowed):
        raise InvalidValueError(
            f"The document is nested more than {_DOCUMENT_LIMITS.document_nesting} levels deep; split it.", path=path
        )
    return normal


def nesting_exceeds(value: Value, levels: int) -> bool:
    """Tell whether `value` has more than `levels` arrays and objects inside one another."""
    if isinstance(value, dict):
        return levels < 1 or any(nesting_exceeds(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels < 1 or any(nesting_exceeds(item, levels - 1) for item in value)
    return False


def check_key(key: Any, path: str) -> str:
    return checked_key(key, path, _LIMITS.nested_field_name_length)


def too_deep(value: object, validator: Validator, path: str) -> Exception:
    return _finding(
        f"The document is nested more than {_DOCUMENT_LIMITS.document_nesting} levels deep; split it.", value, validator, path
    )


def wrong_length(value: Any, validator: Validator, path: str) -> Exception:
    if isinstance(value, dict):
        reason = f"An object has {len(value)} fields; at most {_DOCUMENT_LIMITS.object_fields} are allowed."
    else:
        reason = f"An array has {len(value)} elements; at most {_DOCUMENT_LIMITS.array_elements} can be stored."
    return _finding(reason, value, validator, path)


_QUICK_TYPES: dict[type[Validator], frozenset[type]] = {
    StringValidator: frozenset({str}),
    NumberValidator: frozenset({float}),
    Int64Validator: frozenset({Int64}),
    BooleanValidator: frozenset({bool}),
    NullValidator: frozenset({type(None)}),
    BytesValidator: frozenset({bytes}),
}


def quick_types(element: Validator) -> frozenset[type]:
    """Return the types whose values all fit `element` as they are, but for strings that are not ASCII."""
    return _QUICK_TYPES.get(type(element), frozenset())


def is_plain_array(value: Sequence[Any], kinds: frozenset[type]) -> bool:
    """Tell, at C speed, whether every element is of one of `kinds` and needs no normalising."""
    if not kinds.issuperset(map(type, value)):
        return False
    return str not in kinds or "".join(value).isascii()


def converts(validator: Validator) -> bool:
    """Tell whether a value that is normalised already may still change: plain ints become `Int64` under `v.int64()`."""
    if isinstance(validator, LiteralValidator):
        return type(validator.value) is Int64
    return isinstance(validator, (Int64Validator, WholeNumberValidator)) or any(map(converts, validator.children()))


def union_member(
    value: Any,
    members: Sequence[tuple[Validator, Callable[..., Value]]],
    validator: Validator,
    path: str,
    tables: Mapping[int, str] | None,
) -> Value:
    """Return `value` as the first member of a union that takes it has it."""
    for _, check in members:
        try:
            return check(value, tables, path)
        except (ValidationError, InvalidValueError):
            continue
    raise refused(value, validator, path)
