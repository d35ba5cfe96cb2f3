"""Documents that are dicts, from lines of JSON mostly, as a segment: validated one by one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from convex_nb.engine.bulk.bulk import consecutive, repeated_ids
from convex_nb.engine.bulk.offenders import MOST, Offender, refuse
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.document_validation import to_document_fields
from convex_nb.language.documents import freeze
from convex_nb.language.errors import InvalidIdError, InvalidValueError, ValidationError
from convex_nb.language.ids import decode_id
from convex_nb.language.ids_columnar import new_ids
from convex_nb.language.values import Id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from convex_nb.engine.segments.columns import ArrowArray
    from convex_nb.language.documents import Document
    from convex_nb.language.schema import TableDefinition


def segment_from_documents(
    documents: Sequence[Mapping[str, Any]],
    *,
    table_name: str,
    table_number: int,
    creation_time: float,
    random: Callable[[int], bytes],
    definition: TableDefinition | None = None,
    tables: Mapping[int, str] | None = None,
) -> tuple[Segment, ArrowArray]:
    """The segment of at least one document, and the ids that were given, null where one was made.

    System fields are kept where a document has them. Parameters are those of `segment_from_arrow`. Raises
    `SchemaValidationError` or `InvalidValueError` naming the first ten offending rows. Costs some microseconds a
    document.
    """
    ids: list[str] = new_ids(table_number, creation_time, random, len(documents)).to_pylist()
    times: list[float] = consecutive(creation_time, len(documents)).to_pylist()
    made: list[Document] = []
    kept: list[str | None] = []
    offenders: list[Offender] = []
    for row, given in enumerate(documents):
        try:
            id, time, fields = _taken_apart(given)
            if definition is None:
                fields = to_document_fields(fields)
            else:
                fields = definition.validate(fields, table_name=table_name, tables=tables)
        except (ValidationError, InvalidValueError) as error:
            offenders.append(Offender.of(row, error))
            if len(offenders) == MOST:
                break
            continue
        kept.append(id)
        system = {"_id": Id(ids[row] if id is None else id, table_name), "_creationTime": times[row]}
        if time is not None:
            system["_creationTime"] = time
        made.append(freeze({**system, **fields}))
    refuse(table_name, offenders)
    given_ids = pa.array(kept, pa.string())
    refuse(table_name, repeated_ids(given_ids))
    return Segment.from_documents(made, table_name), given_ids


def _taken_apart(document: Mapping[str, Any]) -> tuple[str | None, float | None, Any]:
    """The id and the creation time of a document where it has them, and its own fields."""
    if not isinstance(document, dict) or ("_id" not in document and "_creationTime" not in document):
        return None, None, document
    fields = dict(document)
    id, time = fields.pop("_id", None), fields.pop("_creationTime", None)
    if id is not None:
        try:
            decode_id(id)
        except (InvalidIdError, TypeError, AttributeError):
            raise InvalidValueError("This is not a document id.", path="._id", value=id) from None
    if time is not None and (type(time) not in (int, float) or not math.isfinite(time)):
        raise InvalidValueError(
            "A creation time is a finite number of milliseconds.", path="._creationTime", value=time
        )
    return id, None if time is None else float(time), fields
