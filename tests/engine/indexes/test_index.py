from __future__ import annotations

from bisect import bisect_left

import numpy
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.indexes import index
from convex_nb.engine.indexes.index import DerivedRun, StoredRun
from convex_nb.engine.segments.segment import Segment
from convex_nb.engine.steps import finished
from convex_nb.language.keys import MAX_KEY, MIN_KEY, key_function
from tests.engine.documents import documents_of

KEYS = st.binary(max_size=3)


def stored_run(keys: list[bytes]) -> StoredRun:
    """A run of these keys, whose rows count down."""
    offsets = numpy.cumsum([0, *map(len, keys)]).astype(numpy.int32)
    return StoredRun(b"".join(keys), offsets, numpy.arange(len(keys), dtype=numpy.int32)[::-1].copy())


@pytest.mark.parametrize("fence", [1, 2, 3, 64])
@given(keys=st.sets(KEYS, max_size=40).map(sorted), lo=KEYS, hi=KEYS)
def test_bounds(fence: int, keys: list[bytes], lo: bytes, hi: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "FENCE", fence)
        run = stored_run(keys)
        run.check()
        start = bisect_left(keys, lo)
        assert run.bounds(lo, hi) == (start, max(start, bisect_left(keys, hi)))
        assert super(StoredRun, run).position(hi) == bisect_left(keys, hi)
        assert run.bounds(MIN_KEY, MAX_KEY) == (0, bisect_left(keys, MAX_KEY))
        assert run.keys(0, len(keys)) == [run.key(i) for i in range(len(keys))] == keys
        again = StoredRun.from_arrow(run.to_arrow(), run.rows(0, len(keys)))
        assert again.keys(0, len(keys)) == keys
        assert run.rows(1, 3).tolist() == [run.row(i) for i in range(1, min(3, len(keys)))]


@pytest.mark.parametrize("count", [1, 64, 65, 200])
def test_derived_runs(count: int) -> None:
    documents = documents_of([{}] * count)
    segment = Segment.from_documents(documents)
    for run, fields in (
        (finished(DerivedRun.by_creation_time(segment)), ("_creationTime",)),
        (DerivedRun.by_id(segment), ("_id",)),
    ):
        run.check()
        key_of = key_function(fields)
        assert [(run.key(i), run.row(i)) for i in range(count)] == sorted(
            (key_of(document), row) for row, document in enumerate(documents)
        )
        keys = run.keys(0, count)
        for place, key in enumerate(keys):
            assert run.bounds(key, key + b"\x00") == (place, place + 1)


def test_check_shows_what_is_wrong() -> None:
    with pytest.raises(AssertionError, match="key 0 is b'b', the next is b'a'"):
        stored_run([b"b", b"a"]).check()
    run = StoredRun(b"ab", numpy.array([0, 1, 2], numpy.int32), numpy.array([0, 0], numpy.int32))
    with pytest.raises(AssertionError, match=r"rows \[0, 0\]"):
        run.check()
