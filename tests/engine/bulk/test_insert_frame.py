from __future__ import annotations

from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import convex_nb
from convex_nb import (
    InvalidValueError,
    LimitError,
    ReadOnlyError,
    SchemaValidationError,
    define_schema,
    define_table,
    v,
)
from convex_nb.engine.reading import reader

TRIPS = define_schema({"trips": define_table({"city": v.string(), "km": v.number()}).index("by_city", ["city"])})
ROWS = {"city": ["Oslo", "Bonn"], "km": [1.0, 2.5]}


@pytest.mark.parametrize(
    "frame", [pd.DataFrame(ROWS), pl.DataFrame(ROWS), pa.table(ROWS)], ids=["pandas", "polars", "arrow"]
)
def test_rows_of_a_frame_are_documents_like_the_others(frame: Any) -> None:
    def write(db: reader.DatabaseWriter) -> list[Any]:
        db.insert("trips", {"city": "Rome", "km": 3.0})
        ids = db.insert_many("trips", frame)
        assert [db.get(id)["city"] for id in ids] == ["Oslo", "Bonn"]  # type: ignore[index]
        assert db.query("trips").with_index("by_city", city="Bonn").unique()["_id"] == ids[1]  # type: ignore[index]
        db.patch(ids[0], {"km": 9.0})
        db.delete(ids[1])
        return ids

    with convex_nb.open() as dep:
        dep.push(TRIPS)
        ids = dep.transact(write)
        assert all(id.table == "trips" for id in ids)
        assert sorted(zip(*(dep.table("trips").df()[each] for each in ("city", "km")), strict=True)) == [
            ("Oslo", 9.0),
            ("Rome", 3.0),
        ]
        dep.check()


def test_nothing_stays_of_a_mutation_that_fails_or_of_rows_that_do_not_fit() -> None:
    def fails(db: reader.DatabaseWriter) -> None:
        db.insert_many("trips", pa.table(ROWS))
        raise RuntimeError

    with convex_nb.open() as dep:
        dep.push(TRIPS)
        with pytest.raises(RuntimeError):
            dep.transact(fails)
        with pytest.raises(SchemaValidationError, match="row 1, field `city`"):
            dep.transact(lambda db: db.insert_many("trips", pa.table({"city": ["a", None], "km": [1.0, 1.0]})))
        with pytest.raises(InvalidValueError, match="_id"):
            dep.transact(lambda db: db.insert_many("trips", pa.table({"_id": ["x"]})))
        assert dep.transact(lambda db: db.insert_many("trips", pa.table(ROWS).slice(0, 0))) == []
        assert dep.table("trips").count() == 0


def test_limits_count_rows() -> None:
    with convex_nb.open(limits="convex") as dep, pytest.raises(LimitError, match="16000"):
        dep.transact(lambda db: db.insert_many("t", pa.table({"a": range(16_001)})))


def test_a_query_does_not_write() -> None:
    with convex_nb.open() as dep:
        transaction = dep._database.begin(writable=False)
        with pytest.raises(ReadOnlyError):
            reader.DatabaseWriter(transaction).insert_many("t", pa.table({"a": [1]}))


def test_a_column_of_several_types_is_named() -> None:
    with convex_nb.open() as dep, pytest.raises(InvalidValueError, match="Column `b`"):
        dep.transact(lambda db: db.insert_many("t", pd.DataFrame({"a": [1, 2], "b": [1, "x"]}, dtype=object)))
