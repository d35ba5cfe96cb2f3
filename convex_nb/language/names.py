"""The rules of names: tables, indexes, and the fields that indexes list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from convex_nb.language.describing import describe
from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.limits import Limits

RESERVED_INDEXES: Final = frozenset({"by_id", "by_creation_time"})
_LENGTH = Limits.convex().identifier_length
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_identifier(name: object, what: str) -> str:
    """Return a user's table or index name, or raise `SchemaDefinitionError` with the rule that it breaks."""
    shown = describe(name, 80)
    if not isinstance(name, str):
        raise SchemaDefinitionError(f"{what} name {shown} is not a string.")
    if len(name) > _LENGTH:
        raise SchemaDefinitionError(f"{what} name {shown} has {len(name)} characters; at most {_LENGTH} are allowed.")
    if name.startswith("_"):
        raise SchemaDefinitionError(f"{what} name {shown} starts with an underscore, as only the system's names do.")
    if _IDENTIFIER.fullmatch(name) is None:
        raise SchemaDefinitionError(
            f"{what} name {shown} is not an identifier: ASCII letters, digits and underscores, starting with a letter."
        )
    return str(name)


def check_field_path(path: object, where: str) -> str:
    """Return a dotted path that an index may list, or raise `SchemaDefinitionError`."""
    if not isinstance(path, str) or not path:
        raise SchemaDefinitionError(f'{where}: {describe(path, 80)} is not a field, e.g. "owner" or "address.city".')
    if path == "_creationTime":
        raise SchemaDefinitionError(
            f"{where}: every index ends with '_creationTime' by itself; leave it out.", field=path
        )
    if path.startswith("_"):
        raise SchemaDefinitionError(f"{where}: {path!r} is a system field, which no index can list.", field=path)
    for name in path.split("."):
        if not name or name.startswith("$") or not name.isascii() or not name.isprintable():
            raise SchemaDefinitionError(
                f"{where}: {describe(path, 80)} is not a field: {describe(name, 80)} cannot be a name.", field=path
            )
    return str(path)


def check_field_paths(paths: object, where: str, most: int, what: str) -> tuple[str, ...]:
    """Return the paths that an index lists, no more than `most`, or raise `SchemaDefinitionError`."""
    if isinstance(paths, str) or not isinstance(paths, Sequence):
        raise SchemaDefinitionError(f"{where} takes a list of fields, not {describe(paths, 80)}.")
    checked = tuple(check_field_path(path, where) for path in paths)
    for position, path in enumerate(checked):
        if path in checked[:position]:
            raise SchemaDefinitionError(f"{where} lists {path!r} twice.", field=path)
    if len(checked) > most:
        raise SchemaDefinitionError(f"{where} has {len(checked)} {what}; at most {most} are allowed.")
    return checked
