from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.indexes import index_build
from convex_nb.engine.indexes.index_build import build_run
from convex_nb.engine.segments import layout
from convex_nb.engine.segments.segment import Segment
from convex_nb.language import keys_columnar
from convex_nb.language.keys import key_function
from tests.engine.documents import documents_of, field_lists

PATHS = st.sampled_from(["a", "b", "c", "d", "_e", "a.b", "b.a", "c.a.b", "missing", "missing.too"])
FIELDS = st.lists(PATHS, min_size=1, max_size=3, unique=True).map(tuple) | st.sampled_from(
    [("_creationTime",), ("_id",), ("a", "_creationTime"), ("a", "_id"), ("_creationTime", "_id")]
)


def check_run(fields: list[dict[str, Any]], indexed: tuple[str, ...]) -> None:
    documents = documents_of(fields)
    segment = Segment.from_documents(documents)
    run = build_run(segment, indexed)
    run.check()
    key_of = key_function(indexed)
    assert [(run.key(i), run.row(i)) for i in range(run.num_rows)] == sorted(
        (key_of(document), row) for row, document in enumerate(documents)
    )
    assert run.nbytes > 0


@given(field_lists(), FIELDS)
def test_a_run_has_the_keys_of_its_documents(fields: list[dict[str, Any]], indexed: tuple[str, ...]) -> None:
    check_run(fields, indexed)


@given(field_lists(max_size=8), FIELDS)
def test_with_a_rest_column(fields: list[dict[str, Any]], indexed: tuple[str, ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "MAX_COLUMNS", 3)
        check_run(fields, indexed)


@given(field_lists(max_size=8), FIELDS)
def test_with_large_offsets(fields: list[dict[str, Any]], indexed: tuple[str, ...]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys_columnar, "_MOST_BYTES", 20)
        check_run(fields, indexed)


@pytest.mark.parametrize("sample", [16, 10_000])
@pytest.mark.parametrize("different", [1, 5, 300, 1000])
def test_few_and_many_different_values(monkeypatch: pytest.MonkeyPatch, sample: int, different: int) -> None:
    monkeypatch.setattr(index_build, "_SAMPLE", sample)
    fields = [{"a": n % 7, "b": f"text {n * 7 % different}", "c": n % 3 / 2 or None} for n in range(1000)]
    check_run(fields, ("b", "a"))
    check_run(fields, ("c", "b"))
