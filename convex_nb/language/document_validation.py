"""The rules of what can be stored: field names, nesting, array lengths and the size of a document."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from convex_nb.language.describing import describe, shorten
from convex_nb.language.documents import SYSTEM_FIELDS
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.limits import Limits
from convex_nb.language.values import Value, size_of, to_value

document_limits: Final = Limits.convex()
"""Stored documents keep the reference's limits under every profile."""

_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_known_names: set[str] = set()


def field_name_fault(name: str) -> str | None:
    """Return why documents cannot have a top-level field of this name, or None."""
    shown = shorten(repr(name), 80)
    if name in SYSTEM_FIELDS:
        return f"Field {shown} is the system's: each document gets its own. Leave it out."
    if name.startswith("_"):
        return f"Field {shown} starts with an underscore, as only the system's own fields do. Rename it."
    if len(name) > document_limits.field_name_length:
        most = document_limits.field_name_length
        return f"Field {shown} has {len(name)} characters; at most {most} are allowed at the top of a document."
    if _FIELD_NAME.fullmatch(name) is None:
        return (
            f"Field {shown} is not a field name of documents: ASCII letters, digits and underscores, starting with a "
            "letter. Rename it."
        )
    return None


def check_field_names(names: Iterable[str]) -> None:
    """Raise `InvalidValueError` for the first top-level field name that a stored document cannot have."""
    if _known_names.issuperset(names):
        return
    for name in names:
        fault = field_name_fault(name)
        if fault is not None:
            raise InvalidValueError(fault, path=f".{shorten(name, 80)}", value=name)
        # Names repeat without end, so good ones are remembered; the set is bounded.
        if len(_known_names) < 10_000:
            _known_names.add(name)


def check_nesting(value: Value, levels: int, path: str = "") -> None:
    """Raise `InvalidValueError` if a normalised value has more than `levels` containers inside one another."""
    if _exceeds(value, levels):
        most = document_limits.document_nesting
        raise InvalidValueError(f"The document is nested more than {most} levels deep; split it.", path=path)


def _exceeds(value: Value, levels: int) -> bool:
    if isinstance(value, dict):
        return levels < 1 or any(_exceeds(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels < 1 or any(_exceeds(item, levels - 1) for item in value)
    return False


def check_size(fields: Mapping[str, Value]) -> None:
    """Raise `InvalidValueError` if a document is larger than can be stored."""
    size = size_of(fields)
    if size > document_limits.document_bytes:
        largest = max(fields, key=lambda name: size_of(fields[name]))
        raise InvalidValueError(
            f"The document has {size} bytes; at most {document_limits.document_bytes} can be stored. The largest "
            f"field is `{largest}` ({size_of(fields[largest])} bytes); keep large data in file storage, or split the "
            "document.",
            path=f".{largest}",
        )


def to_document_fields(fields: Mapping[str, Any], *, limits: Limits = document_limits) -> dict[str, Value]:
    """Return the fields of a document of a table without a schema, normalised, or raise `InvalidValueError`."""
    if not isinstance(fields, dict):
        to_value(fields)
        raise InvalidValueError(f"A document is an object, not {describe(fields, 80)}.", value=fields)
    normal: dict[str, Value] = to_value(dict(fields), limits=document_limits)
    check_field_names(normal)
    check_nesting(normal, limits.document_nesting)
    check_size(normal)
    return normal
