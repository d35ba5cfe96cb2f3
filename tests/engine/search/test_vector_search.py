"""Vector search against a naive model, over every way in which documents are stored."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from convex_nb.engine.database import Database
from convex_nb.engine.reading.reader import DatabaseWriter
from convex_nb.engine.search import vector_index
from convex_nb.engine.search.vector_search import VectorMatches, vector_search
from convex_nb.engine.snapshot import Snapshot
from convex_nb.language.errors import IndexNotFoundError, InvalidValueError, SearchError
from convex_nb.language.schema import SchemaDefinition, define_schema, define_table
from convex_nb.language.validators import v
from convex_nb.language.values import UNDEFINED, Int64
from tests.engine.databases import import_all, insert_all, make_database, small_thresholds, transact
from tests.engine.search import naive

TABLE = "items"


def schema(dimensions: int = 3, path: str = "vector", **options: Any) -> SchemaDefinition:
    table = define_table(v.any()).vector_index("near", path, dimensions, ["f", "g"], **options)
    return define_schema({TABLE: table})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    small_thresholds(monkeypatch)
    monkeypatch.setattr(vector_index, "ROWS", 3)


def nearest(database: Database | Snapshot, vector: Any, limit: Any = 10, filter: Any = None) -> VectorMatches:
    snapshot = database.head if isinstance(database, Database) else database
    limits = make_database().limits
    return vector_search(snapshot.tables[TABLE], "near", vector, limit, filter, limits)


NUMBERS = st.sampled_from([0, 1, -1, 2.5, 0.1, -0.0, 1e-200, 1e200, 3])
VECTORS = st.lists(NUMBERS, min_size=3, max_size=3)
ODD = st.sampled_from([[1, 2], [1, 2, 3, 4], [1, math.nan, 2], [1, math.inf, 2], [1, True, 0], [1, None, 2], "a,b,c"])
ODDER = st.sampled_from([None, [Int64(1), Int64(2), Int64(3)], [[1], 2, 3], {"a": 1, "b": 2, "c": 3}, ["1", "2", "3"]])
DOCUMENTS = st.fixed_dictionaries(
    {}, optional={"vector": st.one_of(VECTORS, VECTORS, VECTORS, ODD, ODDER), "f": naive.FILTERS, "g": naive.FILTERS}
)
# Of these alone a segment keeps the numbers themselves.
FLOATS = st.lists(NUMBERS.map(float) | st.sampled_from([math.nan, math.inf]), min_size=2, max_size=4) | VECTORS.map(
    lambda vector: [float(number) for number in vector]
)
FLOAT_DOCUMENTS = st.fixed_dictionaries({}, optional={"vector": FLOATS | st.just([]) | st.none(), "f": naive.FILTERS})
CONDITIONS = st.none() | st.lists(
    st.tuples(st.sampled_from(["f", "g"]), naive.FILTERS | st.just(UNDEFINED)), min_size=1, max_size=3
)


def cosine(a: list[float], b: list[float]) -> float:
    """In plain Python, scaled first so that nothing overflows."""
    a, b = ([x / (max(map(abs, each)) or 1) for x in each] for each in (a, b))
    lengths = math.sqrt(math.fsum(x * x for x in a) * math.fsum(x * x for x in b))
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / lengths if lengths else 0.0


def is_indexed(vector: Any) -> bool:
    return (
        isinstance(vector, list)
        and len(vector) == 3
        and all(type(number) in (int, float) and math.isfinite(number) for number in vector)
    )


def assert_nearest(snapshot: Snapshot, vector: list[float], conditions: Any, limit: int) -> None:
    def written(q: Any) -> Any:
        return q.or_(*[q.eq(field, value) for field, value in conditions])

    found = nearest(snapshot, vector, limit, None if conditions is None else written)
    documents = list(snapshot.tables[TABLE].scan(1, b"", b"\xff", reverse=False))
    scores = {
        document["_id"]: cosine(document["vector"], vector)
        for document in documents
        if is_indexed(document.get("vector"))
        and (conditions is None or any(naive.passes(document, [condition]) for condition in conditions))
    }
    assert len(found) == min(limit, len(scores))
    for match in found:
        assert match.keys() == {"_id", "_score"}
        assert match["_score"] == pytest.approx(scores[match["_id"]], abs=1e-6)
    assert found == sorted(found, key=lambda match: (-match["_score"], match["_id"]))
    least = found[-1]["_score"] if found else 2.0
    left = scores.keys() - {match["_id"] for match in found}
    assert all(scores[id] <= least + 1e-6 for id in left)


OPERATIONS = st.one_of(
    st.tuples(st.just("insert"), st.lists(DOCUMENTS, min_size=1, max_size=4)),
    st.tuples(st.just("import"), st.lists(DOCUMENTS, min_size=1, max_size=7)),
    st.tuples(st.just("import"), st.lists(FLOAT_DOCUMENTS, min_size=1, max_size=7)),
    st.tuples(st.sampled_from(["patch", "delete"]), st.tuples(st.integers(0, 99), DOCUMENTS)),
    st.tuples(st.sampled_from(["maintain", "hold"]), st.none()),
)


def perform(database: Database, kind: str, what: Any) -> None:
    def change(db: DatabaseWriter) -> None:
        number, document = what
        ids = [each["_id"] for each in db.query(TABLE).collect()]
        if ids and kind == "delete":
            db.delete(ids[number % len(ids)])
        elif ids:
            db.patch(ids[number % len(ids)], document)

    if kind == "insert":
        insert_all(database, TABLE, what)
    elif kind == "import":
        import_all(database, TABLE, what)
    elif kind in ("patch", "delete"):
        transact(database, change)
    elif kind == "maintain":
        database.maintain(1000)


@pytest.mark.usefixtures("small")
@settings(max_examples=60)
@given(st.lists(OPERATIONS, max_size=10), VECTORS, CONDITIONS, st.sampled_from([1, 2, 5, 256]))
def test_the_nearest_are_those_of_the_model(operations: Any, vector: Any, conditions: Any, limit: int) -> None:
    database = make_database(schema())
    held: list[Snapshot] = []
    for kind, what in operations:
        if kind == "hold":
            held.append(database.head)
        perform(database, kind, what)
        if kind == "import":
            assert_nearest(database.head, vector, conditions, limit)
    for snapshot in [database.head, *held]:
        assert_nearest(snapshot, vector, conditions, limit)
    database.check()


@pytest.mark.parametrize("dimensions", [2, 3, 17, 384, 1000, 4096])
def test_equal_is_one_and_opposite_is_minus_one(dimensions: int) -> None:
    chance = np.random.default_rng(dimensions)
    vectors = chance.normal(size=(20, dimensions))
    database = make_database(schema(dimensions))
    import_all(database, TABLE, [{"vector": vector} for vector in (vectors[:10] * 3).tolist()])
    ids = insert_all(database, TABLE, [{"vector": vector} for vector in vectors[10:].tolist()])
    for number, id in enumerate(ids):
        vector = vectors[10 + number].tolist()
        (first,) = nearest(database, vector, 1)
        assert first == {"_id": id, "_score": 1.0}
        opposite = nearest(database, [-x for x in vector], 20)[-1]
        assert opposite == {"_id": id, "_score": -1.0}


def test_ties_by_id_and_zero() -> None:
    database = make_database(schema())
    ids = insert_all(database, TABLE, [{"vector": [1, 2, 3]}] * 300 + [{"vector": [0, 0, 0]}])
    found = nearest(database, [1, 2, 3], 256)
    assert [match["_id"] for match in found] == sorted(ids[:300])[:256]
    assert {match["_score"] for match in found} == {1.0}
    assert {match["_score"] for match in nearest(database, [0.0, 0.0, 0.0])} == {0.0}
    insert_all(database, TABLE, [{"vector": [-1, -2, -3]}])
    assert [match["_score"] for match in nearest(database, [-1, -2, -3], 2)] == [1.0, 0.0]


def test_missing_is_not_null() -> None:
    database = make_database(schema())
    ids = insert_all(
        database, TABLE, [{"vector": [1, 0, 0]}, {"vector": [1, 0, 0], "f": None}, {"vector": [1, 0, 0], "g": 1}]
    )
    assert [match["_id"] for match in nearest(database, [1, 0, 0], filter=lambda q: q.eq("f", None))] == [ids[1]]
    either = nearest(database, [1, 0, 0], filter=lambda q: q.or_(q.eq("f", None), q.or_(q.eq("g", 1))))
    assert [match["_id"] for match in either] == sorted(ids[1:])
    assert nearest(database, [1, 0, 0], filter=lambda q: q.or_()) == []


def test_dotted_paths() -> None:
    database = make_database(schema(path="of.vector"))
    (id, _, _) = insert_all(database, TABLE, [{"of": {"vector": [1, 0, 0]}}, {"of": [1, 0, 0]}, {"n": 1}])
    assert nearest(database, np.array([1, 0, 0])) == [{"_id": id, "_score": 1.0}]


ERRORS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"limit": 0}, SearchError, "from 1 to 256, got 0"),
    ({"limit": 257}, SearchError, "from 1 to 256, got 257"),
    ({"limit": True}, SearchError, "got True"),
    ({"vector": [1, 2]}, SearchError, "3 finite numbers, got one of 2"),
    ({"vector": [1, 2, math.nan]}, SearchError, "other values among them"),
    ({"vector": [1, 2, "3"]}, SearchError, "other values among them"),
    ({"vector": "abc"}, SearchError, "got str"),
    ({"filter": lambda q: q.eq("n", 1)}, SearchError, "isn't indexed for filtering.*'f', 'g'"),
    ({"filter": lambda q: q.eq("f", object())}, InvalidValueError, "cannot be stored"),
    ({"filter": lambda q: q.or_(1)}, SearchError, "q.or_ takes q.eq"),
    ({"filter": lambda q: q.and_(q.eq("f", 1))}, AttributeError, "only eq and or_.*two things"),
    ({"filter": lambda q: q.or_(*[q.eq("f", n) for n in range(65)])}, SearchError, "Max: 64 Actual: 65"),
    ({"filter": lambda _: True}, SearchError, "returned True"),
    ({"filter": "f"}, SearchError, "is a function"),
]


@pytest.mark.parametrize(("options", "error", "message"), ERRORS)
def test_what_cannot_be_searched(options: dict[str, Any], error: type[Exception], message: str) -> None:
    database = make_database(schema())
    with pytest.raises(error, match=message):
        nearest(database, **{"vector": [1, 2, 3], **options})


def test_an_index_that_is_not_there() -> None:
    with pytest.raises(IndexNotFoundError, match="is staged"):
        nearest(make_database(schema(staged=True)), [1, 2, 3])
    state = make_database(schema()).head.tables[TABLE]
    with pytest.raises(IndexNotFoundError, match=r"has: near\. Declare it in the schema: \.vector_index\('far'"):
        vector_search(state, "far", [1, 2, 3], 1, None, make_database().limits)


def test_results_may_be_awaited() -> None:
    async def search() -> VectorMatches:
        return await nearest(make_database(schema()), [1, 2, 3])

    assert asyncio.run(search()) == []
