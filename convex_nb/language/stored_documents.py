"""Whether documents that are stored already fit a table: as they are, since a push changes none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from convex_nb.language.documents import without_system_fields
from convex_nb.language.errors import ConvexNbError, SchemaValidationError
from convex_nb.language.ordering import same_value
from convex_nb.language.schema import TableDefinition
from convex_nb.language.validators import (
    ArrayValidator,
    Int64Validator,
    LiteralValidator,
    ObjectValidator,
    RecordValidator,
    UnionValidator,
    Validator,
)
from convex_nb.language.value_types import Int64

REFUSALS_LISTED: Final = 10


def refusals(
    documents: Iterable[Mapping[str, Any]],
    definition: TableDefinition,
    table_name: str,
    tables: Mapping[int, str] | None = None,
) -> Iterator[SchemaValidationError]:
    """Yield why each document that does not fit is refused. O(documents)."""
    for document in documents:
        fields = without_system_fields(document)
        try:
            normal = definition.validate(fields, table_name=table_name, tables=tables)
            if not same_value(normal, fields):
                _check_unconverted(definition.validator, fields, "")
        except SchemaValidationError as error:
            yield error.of_stored(table_name, document["_id"])


def refusal_of_all(refused: Iterator[SchemaValidationError]) -> SchemaValidationError | None:
    """Return the first refusal, the first ten in its notes and their ids in `document_ids`; None if there is none."""
    listed = list(islice(refused, REFUSALS_LISTED + 1))
    if not listed:
        return None
    error = listed[0]
    error.document_ids = tuple([str(each.document_id) for each in listed[:REFUSALS_LISTED]])
    error.add_note("Documents that do not fit:")
    for each in listed[:REFUSALS_LISTED]:
        error.add_note(f"  {each.table} {each.document_id}{each.path and f' {each.path}'}: {each.reason}")
    if len(listed) > REFUSALS_LISTED:
        error.add_note(f"  and more: these are the first {REFUSALS_LISTED}")
    error.add_note(
        "The schema is unchanged. Change these documents in a mutation, or make the field `v.optional(...)`."
    )
    return error


def _check_unconverted(validator: Validator, value: Any, path: str) -> None:
    """Raise `SchemaValidationError` for a number where an Int64 is due: what is written becomes one, not what is there.

    `value` is known to pass `validator` with conversions.
    """
    match validator:
        case Int64Validator() | LiteralValidator(value=Int64()) if type(value) is not Int64:
            raise SchemaValidationError(
                f"Value does not match validator: a number is stored where an Int64 is due. Write `Int64({value!r})`.",
                path=path,
                value=value,
                validator=validator.as_optional(False).to_code(),
            )
        case ObjectValidator():
            for name, field in validator.fields.items():
                if name in value:
                    _check_unconverted(field, value[name], f"{path}.{name}")
        case RecordValidator():
            for name, item in value.items():
                _check_unconverted(validator.value, item, f"{path}.{name}")
        case ArrayValidator():
            for place, item in enumerate(value):
                _check_unconverted(validator.element, item, f"{path}[{place}]")
        case UnionValidator():
            _check_member_unconverted(validator, value, path)


def _check_member_unconverted(validator: UnionValidator, value: Any, path: str) -> None:
    refusal: SchemaValidationError | None = None
    for member in validator.members:
        try:
            member.validate(value)
            _check_unconverted(member, value, path)
        except SchemaValidationError as error:
            refusal = refusal or error
        except ConvexNbError:
            continue
        else:
            return
    if refusal is not None:
        raise refusal
