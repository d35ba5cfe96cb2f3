"""Records that are brought in again and again: against a dict, beside others, and what is refused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

import convex_nb
from convex_nb import (
    Int64,
    InvalidValueError,
    SchemaDefinitionError,
    SchemaValidationError,
    define_component,
    define_schema,
    define_table,
    same_value,
    v,
)
from convex_nb.engine.indexes.key_lookup import KeyLookup
from convex_nb.language.keys import encode_key
from convex_nb.services.transfer.upserting import Records, Upserted
from tests.engine.databases import small_thresholds

IDS = st.sampled_from([1, 1.0, 2, -0.0, 0, Int64(1), "1", "", None, True, b"1"])
REGIONS = st.sampled_from(["n", "s"])
RECORD = st.fixed_dictionaries(
    {"key": st.fixed_dictionaries({"id": IDS}), "region": REGIONS},
    optional={"n": st.sampled_from([0, 1, True, Int64(1), -0.0])},
)
RECORDS = st.lists(RECORD, max_size=8)
KEY = ("key.id", "region")


@settings(max_examples=40)
@given(st.lists(RECORDS, max_size=4), st.booleans(), st.booleans())
def test_records_replace_those_of_the_same_key(batches: list[list[Any]], indexed: bool, merges: bool) -> None:
    with pytest.MonkeyPatch.context() as patch, convex_nb.open() as dep:
        small_thresholds(patch)
        if indexed:
            dep.push(define_schema({"rows": define_table(v.any()).index("by_key", list(KEY))}))
        model: dict[bytes, dict[str, Any]] = {}
        ids: dict[bytes, str] = {}
        for batch in batches:
            before = dep.timestamp
            new = {encode_key(each["key"]["id"], each["region"]) for each in batch} - model.keys()
            done = dep.upsert_records("rows", batch, KEY)
            assert (sum(done), done.inserted) == (len(batch), len(new))
            assert (dep.timestamp == before) == (done.inserted + done.replaced == 0)
            unchanged = 0
            for each in batch:
                key = encode_key(each["key"]["id"], each["region"])
                unchanged += key in model and same_value(model[key], each)
                model[key] = each
            assert done.unchanged == unchanged
            if merges:
                while dep._database.maintain(50):
                    pass
            stored = dep.transact(lambda db: db.query("rows").collect())
            found = {encode_key(each["key"]["id"], each["region"]): each for each in stored}
            assert {key: {**each, "_id": 0, "_creationTime": 0} for key, each in model.items()} == {
                key: {**each, "_id": 0, "_creationTime": 0} for key, each in found.items()
            }
            assert len(stored) == len(model)
            # Whoever was there stays the same document.
            assert ids.items() <= {key: each["_id"] for key, each in found.items()}.items()
            ids = {key: each["_id"] for key, each in found.items()}
        dep.check()


@pytest.mark.parametrize("indexed", [False, True])
def test_what_was_imported_and_replaced_is_found_as_it_is_now(indexed: bool) -> None:
    with convex_nb.open() as dep:
        if indexed:
            dep.push(define_schema({"rows": define_table(v.any()).index("by_id_", ["id"])}))
        dep.import_table("rows", [{"id": number} for number in range(3)])
        written: Any
        for written in (1, True, 1, -0.0, 0.0):
            assert dep.upsert_records("rows", [{"id": 1, "n": written}], "id") == (0, 1, 0)
            assert dep.upsert_records("rows", [{"id": 1, "n": written}], "id") == (0, 0, 1)
        dep.transact(lambda db: [db.delete(each["_id"]) for each in db.query("rows").collect()])
        assert dep.upsert_records("rows", [{"id": 1}, {"id": 2}], "id") == (2, 0, 0)


def test_frames_batches_and_components() -> None:
    schema = define_schema({"users": define_table({"id": v.int64(), "name": v.optional(v.string())})})
    with convex_nb.open() as dep:
        dep.push(schema)
        # A plain number becomes what the schema says before it is compared.
        assert dep.upsert_records("users", [{"id": 1, "name": "Ada"}], "id") == (1, 0, 0)
        frame = pd.DataFrame({"id": [1, 2, 3], "name": ["Ada", "Bob", None]})
        assert dep.upsert_records("users", frame, "id") == Upserted(inserted=2, replaced=0, unchanged=1)
        before = dep.timestamp
        assert dep.upsert_records("users", ({"id": n} for n in range(1, 8)), "id", batch_rows=3) == (4, 2, 1)
        assert len({each["_ts"] for each in dep.document_deltas(before)["values"]}) == 3
        assert dep.upsert_records("users", frame[:0], "id") == (0, 0, 0)
        dep.use(define_component("likes", schema=schema))
        for _ in range(2):
            dep.upsert_records("users", frame, "id", component="likes")
            dep.upsert_records("users", [{"id": 1}], "id", component="likes")
        assert dep.components["likes"].table("users").count() == 3


@pytest.mark.parametrize(
    ("records", "key", "error", "message"),
    [
        ([{"id": 1}, {"n": 2}], "id", InvalidValueError, r"no field 'id', which is its key"),
        ([{"id": 1}, {"id": 2, "n": "x"}], "id", SchemaValidationError, r"does not match the schema"),
        ([{"id": 1}, {"id": 2, "_id": "x"}], "id", SchemaValidationError, r"_id"),
        ([{"id": 1}, 5], "id", SchemaValidationError, r"5"),
        ([{"id": 1}, {"id": 9}], "id", InvalidValueError, r"2 documents of the table have the key id=9"),
        ({"id": 1}, "id", InvalidValueError, r"takes a list of dicts, or a DataFrame"),
        ([], [], InvalidValueError, r"A key is a field, or several"),
        ([], "_id", SchemaDefinitionError, r"'_id' is a system field"),
        ([], ["id", "id"], SchemaDefinitionError, r"twice"),
    ],
)
def test_what_is_refused(records: Any, key: Any, error: type[Exception], message: str) -> None:
    with convex_nb.open() as dep:
        dep.push(define_schema({"rows": define_table({"id": v.optional(v.number()), "n": v.optional(v.number())})}))
        dep.import_table("rows", [{"id": 9}, {"id": 9, "n": 1}])
        with pytest.raises(error, match=message) as caught:
            dep.upsert_records("rows", records, key)
        notes = getattr(caught.value, "__notes__", [])
        assert notes == (["It is record 1 of 2 for 'rows': none was imported."] if len(records) == 2 else [])
        assert dep.table("rows").count() == 2
        with pytest.raises(InvalidValueError, match="batch_rows") as caught:
            dep.upsert_records("rows", [], "id", batch_rows=0)


def test_a_batch_that_fails_leaves_the_batches_before_it() -> None:
    with convex_nb.open() as dep:
        with pytest.raises(InvalidValueError) as caught:
            dep.upsert_records("rows", [{"id": 1}, {"id": 2}, {}], "id", batch_rows=2)
        assert caught.value.__notes__[-1] == "The 2 records of the batches before are in 'rows'."
        assert dep.table("rows").count() == 2
        done = dep.import_records(Records("rows", ("id",), [{"id": 2, "n": 1}]), Records("log", (), [{"n": 1}] * 2))
        assert done == (2, 1, 0)


@pytest.mark.parametrize("indexed", [False, True])
def test_another_who_adds_the_same_key_meanwhile(monkeypatch: pytest.MonkeyPatch, indexed: bool) -> None:
    with convex_nb.open() as dep:
        if indexed:
            dep.push(define_schema({"rows": define_table(v.any()).index("by_id_", ["id"])}))
        dep.import_table("rows", [{"id": 1}])
        find = KeyLookup.find
        meanwhile: list[Any] = [{"id": 2, "who": "another"}]

        def found(lookup: KeyLookup, key: bytes) -> Any:
            if meanwhile:
                document = meanwhile.pop()
                dep.transact(lambda db: db.insert("rows", document))
            return find(lookup, key)

        monkeypatch.setattr(KeyLookup, "find", found)
        assert dep.upsert_records("rows", [{"id": 2, "who": "us"}], "id") == (0, 1, 0)
        assert dep.table("rows").df()["who"].tolist()[1:] == ["us"]
