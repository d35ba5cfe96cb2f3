"""What `dep.upsert_records` takes: dicts one after another, or a frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from convex_nb.engine.bulk.bulk import segment_from_arrow
from convex_nb.engine.bulk.import_frames import frame_to_arrow, is_frame
from convex_nb.engine.names import check_table_name
from convex_nb.language.describing import describe
from convex_nb.language.documents import without_system_fields
from convex_nb.language.errors import InvalidValueError
from convex_nb.services.transfer.upserting import Records, Upserted, key_of, upsert

if TYPE_CHECKING:
    from convex_nb.engine.database import Database


def records_of(table: str, key: Sequence[str], records: Sequence[Mapping[str, Any]] = ()) -> Records:
    """Records of a table of the application. Raises `InvalidValueError` and `SchemaDefinitionError` for its names."""
    return Records(check_table_name(table), key_of(key), records)


def upsert_all(
    database: Database, table: str, records: Any, key: str | Sequence[str], batch_rows: int | None
) -> Upserted:
    """Bring records into a table, given by its whole name: see `Deployment.upsert_records`."""
    fields = key_of([key] if isinstance(key, str) else key)
    if not fields:
        raise InvalidValueError("A key is a field, or several: nothing was imported. `import_table` adds.", value=key)
    if batch_rows is not None and (type(batch_rows) is not int or batch_rows < 1):
        raise InvalidValueError(f"batch_rows is a whole number from 1 on, not {batch_rows!r}.", value=batch_rows)
    done = Upserted(0, 0, 0)
    rest = _each(database, table, records)
    try:
        while batch := list(islice(rest, batch_rows)):
            counts = upsert(database, [Records(table, fields, batch)])
            done = Upserted(*[sum(pair) for pair in zip(done, counts, strict=True)])
    except BaseException as error:
        if batch_rows is not None:
            error.add_note(f"The {sum(done):,} records of the batches before are in {table!r}.")
        raise
    return done


def _each(database: Database, table: str, records: Any) -> Iterator[Mapping[str, Any]]:
    if is_frame(records):
        return _rows(database, table, records)
    if isinstance(records, (Mapping, str, bytes)) or not isinstance(records, Iterable):
        raise InvalidValueError(
            f"upsert_records takes a list of dicts, or a DataFrame, not {describe(records, 80)}: nothing was imported.",
            value=records,
        )
    return iter(records)


def _rows(database: Database, table: str, frame: Any) -> Iterator[Mapping[str, Any]]:
    rows = frame_to_arrow(frame)
    if not rows.num_rows:
        return
    segment = segment_from_arrow(
        rows, table_name=table, table_number=1, creation_time=1.0, random=database.random_bytes
    )
    for document in segment.documents(range(segment.num_rows)):
        yield without_system_fields(document)
