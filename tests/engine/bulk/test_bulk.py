from __future__ import annotations

import datetime
import math
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.bulk import bulk, import_validation
from convex_nb.engine.bulk.bulk import segment_from_arrow
from convex_nb.engine.bulk.offenders import ImportedRowsError, ImportedValuesError
from convex_nb.engine.segments.segment import Segment
from convex_nb.language.documents import Document, freeze
from convex_nb.language.errors import InvalidValueError, SchemaValidationError
from convex_nb.language.ids import decode_id, encode_id
from convex_nb.language.schema import TableDefinition, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import Id, Int64
from tests.engine.documents import exactly

DAY = 20_000
TIME = DAY * 86_400_000.0 + 12_345.678
TABLES = {10001: "tasks", 10002: "users"}
USER = encode_id(10002, bytes(16))
TASK = encode_id(10001, bytes(16))


def imported(table: Any, definition: TableDefinition | None = None, **options: Any) -> Segment:
    if isinstance(table, dict):
        table = pa.table(table)
    return segment_from_arrow(
        table,
        **{
            "table_name": "tasks",
            "table_number": 10001,
            "creation_time": TIME,
            "random": lambda count: bytes(place % 251 for place in range(count)),
            "definition": definition,
            "tables": TABLES,
            **options,
        },
    )


def fields_of(segment: Segment) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in document.items() if name not in ("_id", "_creationTime")}
        for document in segment.documents(range(segment.num_rows))
    ]


def same_fields(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> bool:
    return [exactly(Document(each)) for each in found] == [exactly(freeze(each)) for each in expected]


def test_system_fields() -> None:
    segment = imported({"a": list(range(5))})
    segment.check()
    documents = segment.documents(range(5))
    times = [document["_creationTime"] for document in documents]
    assert times[0] == TIME
    assert all(after == math.nextafter(before, math.inf) for before, after in pairwise(times))
    assert len({document["_id"] for document in documents}) == 5
    for document in documents:
        number, internal = decode_id(document["_id"])
        assert (number, internal[14:], document["_id"].table) == (10001, DAY.to_bytes(2, "big"), "tasks")


UTC = datetime.UTC
MOMENT = datetime.datetime(2024, 2, 29, 12, 30, 15, 250_000)
MOMENT_MS = MOMENT.replace(tzinfo=UTC).timestamp() * 1000
COLUMNS: list[tuple[Any, list[Any]]] = [
    (pa.array([1, None], pa.int8()), [1, None]),
    (pa.array([2**53, -(2**53)]), [2**53, -(2**53)]),
    (pa.array([2**53], pa.uint64()), [2**53]),
    (pa.array([1.5, None, math.nan, -0.0]), [1.5, None, math.nan, -0.0]),
    (pa.array([0.5], pa.float32()), [0.5]),
    (pa.array([0.5], pa.float16()), [0.5]),
    (pa.array([True, None]), [True, None]),
    (pa.array(["a", "", None, "é"]), ["a", "", None, "é"]),
    (pa.array(["a"], pa.large_string()), ["a"]),
    (pa.array(["a"], pa.string_view()), ["a"]),
    (pa.array(["b", "a", None, "b"]).dictionary_encode(), ["b", "a", None, "b"]),
    (pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([5, 6])), [5, 5, 6]),
    (pa.array([b"\x00", None]), [b"\x00", None]),
    (pa.array([b"ab"], pa.binary(2)), [b"ab"]),
    (pa.array([b"ab"], pa.binary_view()), [b"ab"]),
    (pa.array([None, None]), [None, None]),
    (pa.array([MOMENT], pa.timestamp("s")), [math.floor(MOMENT_MS / 1000) * 1000.0]),
    (pa.array([MOMENT, None], pa.timestamp("ms")), [MOMENT_MS, None]),
    (pa.array([MOMENT], pa.timestamp("us", "Europe/Paris")), [MOMENT_MS]),
    (pa.array([MOMENT], pa.timestamp("ns")), [MOMENT_MS]),
    (pa.array([1], pa.timestamp("ns")), [1e-6]),
    (pa.array([datetime.date(1970, 1, 3)], pa.date32()), [2 * 86_400_000.0]),
    (pa.array([datetime.date(1969, 12, 31)], pa.date64()), [-86_400_000.0]),
    (pa.array([datetime.time(0, 0, 1)], pa.time32("s")), [1000.0]),
    (pa.array([datetime.time(0, 0, 1, 500)], pa.time64("us")), [1000.5]),
    (pa.array([datetime.timedelta(seconds=2)], pa.duration("us")), [2000.0]),
    (pa.array([Decimal("1.10")], pa.decimal128(5, 2)), [1.1]),
    (pa.array([Decimal(12)], pa.decimal128(38, 0)), [12]),
    (pa.array([bytes(15) + b"\x01"], pa.uuid()), ["00000000-0000-0000-0000-000000000001"]),
    (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())), [True, False]),
    (pa.array([[1, None], [], None]), [[1, None], [], None]),
    (pa.array([[0.5, -0.0], None, [1.0, math.nan]], pa.list_(pa.float32(), 2)), [[0.5, -0.0], None, [1.0, math.nan]]),
    (pa.array([[0.5], [], None, [None]]), [[0.5], [], None, [None]]),
    (pa.array([{"a": 1, "b": None}, {"a": None, "b": "x"}]), [{"a": 1}, {"b": "x"}]),
    (pa.array([[("k", 1.0)]], pa.map_(pa.string(), pa.float64())), [{"k": 1.0}]),
    (pa.array([[MOMENT, MOMENT.replace(tzinfo=UTC)]], pa.list_(pa.timestamp("us"))), [[MOMENT_MS] * 2]),
    (pa.array([[datetime.date(1970, 1, 3)]]), [[2 * 86_400_000.0]]),
    (pa.array([[datetime.time(0, 0, 1)]]), [[1000.0]]),
    (pa.array([[datetime.timedelta(seconds=2)]]), [[2000.0]]),
]


@pytest.mark.parametrize(("column", "values"), COLUMNS, ids=[str(column.type) for column, _ in COLUMNS])
def test_columns_without_a_schema(column: Any, values: list[Any]) -> None:
    table = pa.table({"a": pa.chunked_array([column, column.slice(1)])})
    segment = imported(table)
    segment.check()
    expected = [{} if value is None else {"a": value} for value in [*values, *values[1:]]]
    assert same_fields(fields_of(segment), expected)


def test_vectors_are_taken_as_they_are_and_checked() -> None:
    vectors = [[0.25 * row, -1.0] for row in range(5)]
    for element in (v.number(), v.any(), None):
        definition = None if element is None else define_table({"a": v.optional(v.array(element))})
        segment = imported({"a": pa.array(vectors, pa.list_(pa.float32(), 2))}, definition)
        assert segment.columns["a"].field.kind == "floats"
        assert same_fields(fields_of(segment), [{"a": vector} for vector in vectors])
        segment.check()
    with pytest.raises(ImportedRowsError) as refused:
        imported({"a": pa.array(vectors)}, define_table({"a": v.array(v.string())}))
    assert [(each.row, each.field) for each in refused.value.offenders] == [(row, "a[0]") for row in range(5)]
    with pytest.raises(ImportedValuesError, match="8192"):
        imported({"a": pa.array([[0.5] * 8193])})
    with pytest.raises(ImportedValuesError, match=r"1 MiB|1,?048,?576"):
        imported({f"a{n}": pa.array([[0.5] * 8192]) for n in range(15)})


@pytest.mark.parametrize("nulls", ["missing", "null"])
def test_slices_of_columns(nulls: str) -> None:
    values = [None, True, False, None, True, True, None, False, True, None, None, True]
    table = pa.table({"a": pa.array(values), "b": pa.array([None if x is None else [x] for x in values])}).slice(3)
    definition = define_table({"a": v.optional(v.nullable(v.boolean())), "b": v.any().as_optional()})
    segment = imported(table, definition, nulls=nulls)
    segment.check()
    expected = [{"a": x, "b": None if x is None else [x]} for x in values[3:]]
    if nulls == "missing":
        expected = [{name: x for name, x in fields.items() if x is not None} for fields in expected]
    assert same_fields(fields_of(segment), expected)


def test_nulls_can_be_stored() -> None:
    table = {"a": [1, None], "b": [None, "x"], "c": [None, None], "d": [{"e": None}, None]}
    segment = imported(table, nulls="null")
    segment.check()
    assert same_fields(
        fields_of(segment),
        [{"a": 1, "b": None, "c": None, "d": {"e": None}}, {"a": None, "b": "x", "c": None, "d": None}],
    )


def test_int64_where_the_schema_says_so() -> None:
    definition = define_table({"a": v.int64(), "b": v.optional(v.nullable(v.int64())), "c": v.number(), "d": v.any()})
    table = {"a": [2**63 - 1], "b": [1], "c": [1], "d": [1]}
    assert same_fields(fields_of(imported(table, definition)), [{"a": Int64(2**63 - 1), "b": Int64(1), "c": 1, "d": 1}])


def test_literals_and_unions() -> None:
    definition = define_table(
        {
            "kind": v.union(v.literal("a"), v.literal("b")),
            "big": v.union(v.literal(Int64(1)), v.literal(Int64(2))),
            "mixed": v.union(v.string(), v.number()),
            "owner": v.id("users"),
            "friend": v.optional(v.nullable(v.id("users"))),
            "zero": v.literal(0.0),
        }
    )
    table = {"kind": ["a", "b"], "big": [2, 1], "mixed": [1.5, 2], "owner": [USER] * 2, "zero": [0.0] * 2}
    table["friend"] = [USER, None]
    assert same_fields(
        fields_of(imported(table, definition)),
        [
            {"kind": "a", "big": Int64(2), "mixed": 1.5, "owner": USER, "zero": 0.0, "friend": USER},
            {"kind": "b", "big": Int64(1), "mixed": 2.0, "owner": USER, "zero": 0.0},
        ],
    )


KIND = v.union(v.literal("a"), v.literal("b"))
PAIR = v.object({"b": v.string()})
REFUSED: list[tuple[dict[str, Any], dict[str, Any], list[tuple[int, str]], str]] = [
    ({"a": v.string()}, {"a": [1, 2]}, [(0, "a"), (1, "a")], "does not match"),
    ({"a": v.number()}, {"a": ["x", None, "y"]}, [(0, "a"), (1, "a"), (2, "a")], "does not match"),
    ({"a": v.optional(v.number())}, {"a": [None, "y"]}, [(1, "a")], "does not match"),
    ({"a": v.int64()}, {"a": [1.0]}, [(0, "a")], "does not match"),
    ({"a": v.boolean()}, {"a": [1, 0]}, [(0, "a"), (1, "a")], "does not match"),
    ({"a": v.bytes()}, {"a": ["x"]}, [(0, "a")], "does not match"),
    ({"a": v.null()}, {"a": [1]}, [(0, "a")], "does not match"),
    ({"a": v.number()}, {"a": [1, None]}, [(1, "a")], "missing the required field `a`"),
    ({"a": v.number(), "b": v.number()}, {"a": [1, 2]}, [(0, "b"), (1, "b")], "missing the required field `b`"),
    ({"a": v.number()}, {"a": [1, 2], "x": [None, 1]}, [(1, "x")], "extra field `x`"),
    (
        {"a": v.union(v.literal("a"), v.literal("b"))},
        {"a": ["a", "c", "b", "c"]},
        [(1, "a"), (3, "a")],
        "does not match",
    ),
    ({"a": v.literal(0.0)}, {"a": [0.0, -0.0]}, [(1, "a")], "does not match"),
    ({"a": v.nullable(v.id("users"))}, {"a": [TASK]}, [(0, "a")], "does not match"),
    ({"a": v.id("users")}, {"a": [USER, "nonsense", TASK]}, [(1, "a"), (2, "a")], "does not match"),
    ({"a": v.array(v.string())}, {"a": [["x"], ["x", None], None]}, [(1, "a[1]"), (2, "a")], "does not match"),
    (
        {"a": v.object({"b": v.string()})},
        {"a": [{"b": "x"}, {"b": None}]},
        [(1, "a")],
        "missing the required field `b`",
    ),
    ({"a": PAIR}, {"a": [{"b": 1}]}, [(0, "a.b")], "does not match"),
]


@pytest.mark.parametrize(("fields", "table", "places", "reason"), REFUSED)
def test_rows_that_do_not_match_the_schema(
    fields: dict[str, Any], table: dict[str, Any], places: list[tuple[int, str]], reason: str
) -> None:
    with pytest.raises(ImportedRowsError) as caught:
        imported(table, define_table(fields))
    error = caught.value
    assert isinstance(error, SchemaValidationError)
    assert sorted((offender.row, offender.field) for offender in error.offenders) == places
    assert reason in str(error)
    assert f"row {places[0][0]}, field `{places[0][1]}`" in str(error)
    assert 'Nothing was imported into "tasks"' in str(error)
    assert error.table == "tasks"


@pytest.mark.parametrize(
    ("table", "places", "reason"),
    [
        ({"a": [2**53 + 1, 1, -(2**53) - 1]}, [(0, "a"), (2, "a")], "Int64"),
        ({"a": pa.array([2**64 - 1], pa.uint64())}, [(0, "a")], "2**53"),
        ({"a": [[2**53 + 1]]}, [(0, "a[0]")], "Int64"),
        ({"a": [[1.0] * 8193]}, [(0, "a")], "8192"),
        ({"a": ["x" * 600_000, "x"], "b": ["y" * 600_000, "y"]}, [(0, "")], "bytes"),
        ({"a": [[["x" * 600_000] * 2]]}, [(0, "a")], "bytes"),
    ],
)
def test_what_cannot_be_stored(table: dict[str, Any], places: list[tuple[int, str]], reason: str) -> None:
    with pytest.raises(ImportedValuesError, match="Nothing was imported") as caught:
        imported(table)
    assert isinstance(caught.value, InvalidValueError)
    assert [(offender.row, offender.field) for offender in caught.value.offenders] == places
    assert reason in str(caught.value)


def test_uint64_beyond_int64() -> None:
    with pytest.raises(InvalidValueError, match="row 1, field `a`"):
        imported({"a": pa.array([1, 2**63], pa.uint64())}, define_table({"a": v.int64()}))


def test_the_first_ten_offenders_of_all_columns() -> None:
    table = {"a": [None if row % 3 == 0 else row for row in range(100)], "b": ["x"] * 100}
    with pytest.raises(ImportedRowsError, match="The first 10") as caught:
        imported(table, define_table({"a": v.number(), "b": v.literal("y")}))
    assert [(offender.row, offender.field) for offender in caught.value.offenders] == [
        (0, "a"), (0, "b"), (1, "b"), (2, "b"), (3, "a"), (3, "b"), (4, "b"), (5, "b"), (6, "a"), (6, "b")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["_x"], "underscore"),
        (["$x"], "not a field name"),
        ([""], "not a field name"),
        (["a b"], "not a field name"),
        (["x" * 65], "64"),
        (["a", "a"], "Two columns"),
        (["_id"], "made by the system"),
        (["_creationTime"], "made by the system"),
    ],
)
def test_column_names(names: list[str], reason: str) -> None:
    with pytest.raises(InvalidValueError, match=reason):
        imported(pa.table([pa.array([1.0])] * len(names), names=names))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([Decimal(1)], pa.decimal128(20, 1)),
        pa.array([Decimal(2) ** 70], pa.decimal128(30, 0)),
        pa.array([b"\xff"]).view(pa.string()),
        pa.array([pa.MonthDayNano((1, 2, 3))]),
    ],
)
def test_columns_that_mean_nothing(column: Any) -> None:
    with pytest.raises(InvalidValueError, match="Column `a` was not imported"):
        imported(pa.table({"a": column}))


def test_documents_of_several_shapes() -> None:
    definition = TableDefinition(
        v.union(
            v.object({"kind": v.literal("circle"), "r": v.int64()}),
            v.object({"kind": v.literal("square"), "side": v.number(), "tags": v.optional(v.array(v.string()))}),
        )
    )
    table = pa.table({"kind": ["circle", "square"], "r": [1, None], "side": [None, 2.0], "tags": [None, ["x"]]})
    assert same_fields(
        fields_of(imported(table, definition)),
        [{"kind": "circle", "r": Int64(1)}, {"kind": "square", "side": 2.0, "tags": ["x"]}],
    )
    with pytest.raises(ImportedRowsError) as caught:
        imported({"kind": ["circle", "circle"], "r": [1, None], "side": [None, 2.0]}, definition)
    assert [offender.row for offender in caught.value.offenders] == [1]


def test_batches_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "_BATCH", 3)
    monkeypatch.setattr(import_validation, "_BATCH", 3)
    shape = v.object({"a": v.number(), "b": v.optional(v.array(v.number()))})
    table: dict[str, Any] = {"a": list(range(10)), "b": [[row] if row % 2 else None for row in range(10)]}
    expected = [{"a": row, "b": [row]} if row % 2 else {"a": row} for row in range(10)]
    assert same_fields(fields_of(imported(table, TableDefinition(v.union(shape, v.object({"z": v.null()}))))), expected)
    assert same_fields(fields_of(imported(table, TableDefinition(shape))), expected)
    table["a"][7] = 2**60
    with pytest.raises(InvalidValueError, match="row 7"):
        imported(table, TableDefinition(v.union(shape, v.object({"z": v.null()}))))


def test_system_fields_can_be_kept() -> None:
    ids = [encode_id(number, bytes([row]) * 16) for row, number in enumerate([10001, 77, 10001])]
    table = {"_id": ids, "_creationTime": [3.5, 1.0, 3.5], "a": [0, 1, 2]}
    segment = imported(table, keep_system_fields=True)
    segment.check()
    documents = segment.documents(range(3))
    assert [(each["_id"], each["_creationTime"]) for each in documents] == sorted(
        zip(ids, [3.5, 1.0, 3.5], strict=True), key=lambda pair: (pair[1], pair[0])
    )
    assert {each["_id"]: each["a"] for each in documents} == dict(zip(ids, range(3), strict=True))
    only_ids = imported({"_id": ids}, keep_system_fields=True).documents(range(3))
    assert [each["_id"] for each in only_ids] == ids
    whole = imported({"_creationTime": [1_700_000_000_000]}, keep_system_fields=True).document(0)
    assert exactly(whole["_creationTime"]) == exactly(1.7e12)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ({"_id": ["x"]}, "row 0, field `_id`"),
        ({"_id": [USER, TASK, USER]}, "row 2, field `_id`: This id is there more than once"),
        ({"_id": [1]}, "holds int64, not ids"),
        ({"_creationTime": [1.0, math.nan]}, "row 1, field `_creationTime`"),
        ({"_creationTime": ["x"]}, "not milliseconds"),
    ],
)
def test_system_fields_that_cannot_be_kept(column: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidValueError, match=reason):
        imported(column, keep_system_fields=True)


def test_system_fields_that_some_rows_lack_are_made() -> None:
    first, second, third = imported(
        {"_id": [TASK, None, None], "_creationTime": [None, 5.0, None]}, keep_system_fields=True
    ).documents(range(3))
    assert first["_creationTime"] == 5.0
    assert second["_id"] == TASK
    assert third["_creationTime"] > second["_creationTime"] >= TIME
    assert len({first["_id"], second["_id"], third["_id"]}) == 3
    nothing_given = imported({"_id": [None], "_creationTime": [None]}, keep_system_fields=True).document(0)
    assert nothing_given["_creationTime"] == TIME


def test_a_column_of_several_types_is_taken_value_by_value() -> None:
    column = pa.UnionArray.from_sparse(
        pa.array([0, 1, 0], pa.int8()), [pa.array([1.5, None, 2.0]), pa.array(["", "x", ""])]
    )
    assert fields_of(imported({"a": column})) == [{"a": 1.5}, {"a": "x"}, {"a": 2.0}]


def test_no_rows() -> None:
    segment = imported(pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.list_(pa.string()))}))
    assert segment.num_rows == 0
    assert segment.documents([]) == []
    assert segment.find(TASK) == -1


VALUES = {
    "number": st.floats() | st.none(),
    "text": st.text(max_size=4) | st.none(),
    "flag": st.booleans() | st.none(),
    "list": st.none() | st.lists(st.integers(-5, 5), max_size=2),
}
VALIDATORS = {
    "number": v.number(),
    "text": v.union(v.string(), v.null()),
    "flag": v.optional(v.boolean()),
    "list": v.optional(v.array(v.literal(1))),
}


@given(st.data(), st.sampled_from(["missing", "null"]))
def test_columns_and_rows_agree(data: st.DataObject, nulls: str) -> None:
    """What the vectorised path takes and makes is what validating each row alone takes and makes."""
    names = data.draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, min_size=1))
    count = data.draw(st.integers(1, 6))
    types = {"number": pa.float64(), "text": pa.string(), "flag": pa.bool_(), "list": pa.list_(pa.int64())}
    content = {name: data.draw(st.lists(VALUES[name], min_size=count, max_size=count)) for name in names}
    table = pa.table({name: pa.array(values, types[name]) for name, values in content.items()})
    definition = define_table({name: VALIDATORS[name] for name in data.draw(st.sets(st.sampled_from(sorted(VALUES))))})
    expected: list[dict[str, Any]] = []
    refused: list[int] = []
    for row in range(count):
        fields = {name: content[name][row] for name in names if content[name][row] is not None or nulls == "null"}
        try:
            expected.append(definition.validate(fields, table_name="tasks", tables=TABLES))
        except SchemaValidationError:
            refused.append(row)
    if refused:
        with pytest.raises(ImportedRowsError) as caught:
            imported(table, definition, nulls=nulls)
        named = {offender.row for offender in caught.value.offenders}
        assert named == {row for row in refused if len(caught.value.offenders) < 10 or row <= max(named)}
    else:
        assert same_fields(fields_of(imported(table, definition, nulls=nulls)), expected)


def test_errors_survive_pickling() -> None:
    import pickle

    with pytest.raises(ImportedRowsError) as caught:
        imported({"a": [1]}, define_table({"a": v.string()}))
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.offenders == caught.value.offenders


def test_what_the_caller_writes_later_is_not_seen() -> None:
    numbers = numpy.arange(3.0)
    segment = imported({"a": numbers})
    numbers[:] = -1
    assert fields_of(segment) == [{"a": 0.0}, {"a": 1.0}, {"a": 2.0}]


def test_a_slice_does_not_hold_the_whole() -> None:
    table = pa.table({"text": ["x" * 100] * 1000})
    assert imported(table.slice(0, 10)).nbytes < 10 * 300


def test_many_rows() -> None:
    count = 5000
    table = {"n": numpy.arange(count), "s": [f"text {row}" for row in range(count)]}
    segment = imported(table, random=numpy.random.default_rng(1).bytes)
    segment.check()
    document = segment.document(4321)
    assert type(document["_id"]) is Id
    assert same_fields(
        [document], [document | {"_creationTime": TIME + 4321 * math.ulp(TIME), "n": 4321, "s": "text 4321"}]
    )
