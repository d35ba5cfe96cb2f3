"""Checking what is about to be stored: the fields of a document, with or without a schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from convex_nb.language.errors import InvalidValueError, SchemaValidationError, ValidationError, shorten
from convex_nb.language.limits import Limits
from convex_nb.language.validator_checks import nesting_exceeds
from convex_nb.language.validator_compiler import compile_validator
from convex_nb.language.validators import AnyValidator, Validator
from convex_nb.language.values import Value, size_of, to_value

DocumentCheck: TypeAlias = Callable[[Mapping[str, Any], Mapping[int, str] | None, str], dict[str, Value]]

_DEFAULT_LIMITS = Limits.convex()
_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_good_names: set[str] = set()


def check_field_names(fields: Mapping[str, Any], limits: Limits) -> None:
    """Raise `InvalidValueError` for the first top-level field that a stored document cannot have."""
    if _good_names.issuperset(fields):
        return
    for name in fields:
        if name in _good_names:
            continue
        if name.startswith("_"):
            raise InvalidValueError(
                f"Field {shorten(name, 80)!r} starts with an underscore: only the system's own fields do. Rename it.",
                path=f".{name}",
                value=name,
            )
        if len(name) > limits.field_name_length:
            raise InvalidValueError(
                f"Field {shorten(name, 80)!r} has {len(name)} characters; at most {limits.field_name_length} are allowed "
                "at the top of a document.",
                value=name,
            )
        if _FIELD_NAME.fullmatch(name) is None:
            raise InvalidValueError(
                f"Field {shorten(name, 80)!r} is not a field name of documents: letters, digits and underscores, starting "
                "with a letter. Rename it.",
                path=f".{name}",
                value=name,
            )
        if len(_good_names) < 10_000:
            _good_names.add(name)


def check_size(fields: Mapping[str, Value], limits: Limits) -> None:
    """Raise `InvalidValueError` if a document is larger than may be stored."""
    size = size_of(fields)
    if size > limits.document_bytes:
        largest = max(fields, key=lambda name: size_of(fields[name]))
        raise InvalidValueError(
            f"The document has {size} bytes; at most {limits.document_bytes} can be stored. The largest field is "
            f"`{largest}` ({size_of(fields[largest])} bytes); keep large data in file storage or split it.",
            path=f".{largest}",
        )


def to_document_fields(fields: Mapping[str, Any], *, limits: Limits = _DEFAULT_LIMITS) -> dict[str, Value]:
    """Return the fields of a document without a schema, normalised, or raise `InvalidValueError`.

    Field names, nesting, array lengths and the size are those of stored documents.
    """
    if not isinstance(fields, dict):
        normal = to_value(fields)
        raise InvalidValueError(f"A document is an object, not {shorten(repr(normal), 80)}.", value=fields)
    normal = to_value(dict(fields), limits=_DEFAULT_LIMITS)
    check_field_names(normal, limits)
    if nesting_exceeds(normal, limits.document_nesting):
        raise InvalidValueError(f"The document is nested more than {limits.document_nesting} levels deep; split it.")
    check_size(normal, limits)
    return normal  # type: ignore[no-any-return]


def compile_document_check(validator: Validator) -> DocumentCheck:
    """Return the check of a table's documents: `(fields, tables, table_name) -> normalised fields`."""
    if isinstance(validator, AnyValidator):
        return lambda fields, tables, table_name: to_document_fields(fields)
    check = compile_validator(validator, document=True)

    def check_document(fields: Mapping[str, Any], tables: Mapping[int, str] | None, table_name: str) -> dict[str, Value]:
        try:
            normal = check(fields, tables, "")
        except ValidationError as error:
            raise error.as_type(SchemaValidationError, table_name) from None
        check_size(normal, _DEFAULT_LIMITS)
        return normal  # type: ignore[no-any-return]

    return check_document
