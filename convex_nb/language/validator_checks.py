"""What generated validator functions call for whatever is not the plain case: conversions, limits and the errors."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from convex_nb.language.describing import shorten
from convex_nb.language.document_validation import check_nesting, document_limits
from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.errors import InvalidIdError, InvalidValueError, ValidationError
from convex_nb.language.ids import decode_id
from convex_nb.language.normalisation import checked_key, is_numpy_integer, to_value
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
from convex_nb.language.value_types import UNDEFINED, Id, Int64, Value


def _finding(reason: str, value: object, validator: Validator, path: str) -> ValidationError:
    return ValidationError(reason, path=path, value=value, validator=_code(validator))


def _code(validator: Validator) -> str:
    return shorten(validator.as_optional(False).to_code())


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
            reason = (
                f"Object is missing the required field `{name}`. Consider wrapping the field validator in "
                "`v.optional(...)` if this is expected."
            )
            strange = [key for key in value if key not in validator.fields and isinstance(key, str)]
            written = get_close_matches(name, strange, n=1)
            if written:
                reason += f" It has `{written[0]}`, which is not in the validator: did you mean `{name}`?"
            return _finding(reason, value, validator, path)
    return refused(value, validator, path)


def drop_undefined(normal: dict[Any, object], given: object, validator: ObjectValidator, path: str) -> None:
    """Remove the `UNDEFINED` fields of a copied object that has too many fields; raise for one that is not known."""
    for name in [name for name, item in normal.items() if item is UNDEFINED]:
        del normal[name]
    for name in normal:
        if name not in validator.fields:
            check_key(name, path)
            reason = f"Object contains extra field `{name}` that is not in the validator."
            meant = get_close_matches(name, [field for field in validator.fields if field not in normal], n=1)
            if meant:
                reason += f" Did you mean `{meant[0]}`?"
            raise _finding(reason, given, validator, path)


def as_string(value: Any, validator: Validator, path: str) -> Value:
    """Return the text of a string that is not ASCII, of an `Id` or of a subclass of `str`."""
    if isinstance(value, str):
        return to_value(value, path=path)
    raise refused(value, validator, path)


def as_number(value: Any, validator: Validator, path: str) -> Value:
    """Return the number of a numpy scalar or of a subclass of `int` or `float`."""
    number = to_value(value, path=path)
    if type(number) is float or type(number) is int:
        return number
    raise refused(value, validator, path)


def as_whole_number(value: Any, validator: Validator, path: str) -> Value:
    """Return the `int` that a number without a fraction equals."""
    number = as_number(value, validator, path)
    if number % 1 == 0:
        return to_value(int(number), path=path)
    raise _finding("Value does not match validator: a whole number is expected.", value, validator, path)


def as_int64(value: Any, validator: Validator, path: str) -> Value:
    """Return the `Int64` of an `int` or of a numpy integer."""
    if isinstance(value, bool) or not (isinstance(value, int) or is_numpy_integer(value)):
        raise refused(value, validator, path)
    try:
        return Int64(operator.index(value))
    except InvalidValueError as error:
        raise InvalidValueError(error.reason, path=path, value=value) from None


def as_boolean(value: Any, validator: Validator, path: str) -> Value:
    """Return the truth of a `numpy.bool_`."""
    truth = to_value(value, path=path)
    if type(truth) is bool:
        return truth
    raise refused(value, validator, path)


def as_null(value: Any, validator: Validator, path: str) -> Value:
    """Raise: nothing but None is null."""
    raise refused(value, validator, path)


def as_bytes(value: Any, validator: Validator, path: str) -> Value:
    """Return the bytes of a `bytearray` or `memoryview`."""
    data = to_value(value, path=path)
    if type(data) is bytes:
        return data
    raise refused(value, validator, path)


_table_numbers: dict[str, int] = {}


def id_table(text: str) -> int | None:
    """Return the table number of an id, or None. Ids seen lately are remembered, since references repeat."""
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
    """Return an id after looking at its form and, with `tables`, at its table."""
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
                f"`{_code(validator)}`.",
                value,
                validator,
                path,
            )
    return value


def as_literal(value: Any, validator: LiteralValidator, path: str) -> Value:
    """Return a value that equals the literal in the total order; a plain `int` may equal an `Int64` literal."""
    wanted = validator.value
    if type(wanted) is Int64 and type(value) is int and value == wanted:
        return wanted
    found = to_value(value, path=path)
    if compare_values(found, wanted) == 0:
        return found
    raise refused(value, validator, path)


def as_array(value: Any, validator: Validator, path: str) -> list[Value]:
    """Return the elements of a tuple or a subclass of `list`."""
    if isinstance(value, ReadOnlyList):
        return value
    if isinstance(value, (list, tuple)) and not hasattr(type(value), "_fields"):
        return list(value)
    raise refused(value, validator, path)


def as_object(value: Any, validator: Validator, path: str) -> dict[str, Value]:
    """Return a `Document`, or the entries of another subclass of `dict`."""
    if isinstance(value, dict):
        # A plain dict, since reading a defaultdict would change it.
        return value if type(value) is Document else dict(value)
    raise refused(value, validator, path)


def any_value(value: Any, path: str, depth: int, document: bool) -> Value:
    """Return any value normalised; in a document, `depth` containers below its top, under a document's limits."""
    if not document:
        return to_value(value, path=path)
    normal = to_value(value, path=path, limits=document_limits)
    check_nesting(normal, document_limits.document_nesting - depth, path)
    return normal


def check_key(key: Any, path: str) -> str:
    """Return a key of a record."""
    try:
        return checked_key(key)
    except InvalidValueError as error:
        raise error.inside(path) from None


def too_deep(value: object, validator: Validator, path: str) -> Exception:
    """Return the error of a document that is nested too deeply."""
    levels = document_limits.document_nesting
    return _finding(f"The document is nested more than {levels} levels deep; split it.", value, validator, path)


def wrong_length(value: Any, validator: Validator, path: str) -> Exception:
    """Return the error of an array or a record that is too long."""
    if isinstance(value, dict):
        reason = f"An object has {len(value)} fields; at most {document_limits.object_fields} are allowed."
    else:
        reason = f"An array has {len(value)} elements; at most {document_limits.array_elements} can be stored."
    return _finding(reason, value, validator, path)


_PLAIN_TYPES: dict[type[Validator], frozenset[type]] = {
    StringValidator: frozenset({str}),
    NumberValidator: frozenset({float}),
    Int64Validator: frozenset({Int64}),
    BooleanValidator: frozenset({bool}),
    NullValidator: frozenset({type(None)}),
    BytesValidator: frozenset({bytes}),
}


def plain_types(element: Validator) -> frozenset[type]:
    """Return the types whose values fit `element` as they are (texts if they are ASCII); empty if there are none."""
    return _PLAIN_TYPES.get(type(element), frozenset())


def is_plain_array(value: Sequence[Any], kinds: frozenset[type]) -> bool:
    """Tell, at C speed, whether every element is of one of `kinds` and needs no normalising."""
    return kinds.issuperset(map(type, value)) and (str not in kinds or "".join(value).isascii())


def converts(validator: Validator) -> bool:
    """Tell whether a value that is normalised already may still change, as plain ints do under `v.int64()`."""
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
    """Return `value` as the first member of a union that takes it has it.

    If none does and literal fields (`kind: "circle"`) say which object was meant, the error is about that one.
    """
    meant = []
    for member, check in members:
        try:
            return check(value, tables, path)
        except (ValidationError, InvalidValueError) as error:
            if _is_meant(member, value):
                meant.append(error)
    raise meant[0] if len(meant) == 1 else refused(value, validator, path)


def _is_meant(member: Validator, value: Any) -> bool:
    if not isinstance(member, ObjectValidator) or not isinstance(value, dict):
        return False
    tags = [(name, field.value) for name, field in member.fields.items() if isinstance(field, LiteralValidator)]
    return bool(tags) and all(type(value.get(name)) is type(tag) and value[name] == tag for name, tag in tags)
