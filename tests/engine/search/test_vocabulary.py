"""Sorted distinct keys."""

from __future__ import annotations

from bisect import bisect_left

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.search import vocabulary
from convex_nb.engine.search.vocabulary import Vocabulary


@given(st.lists(st.binary(max_size=3)), st.lists(st.binary(max_size=3)), st.booleans(), st.sampled_from([1, 2, 3, 64]))
def test_every_key_is_found_and_no_other(keys: list[bytes], others: list[bytes], large: bool, fence: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vocabulary, "FENCE", fence)
        made, numbers = Vocabulary.of(pa.array(keys, pa.large_binary() if large else pa.binary()))
        distinct = sorted(set(keys))
        assert [made.key(number) for number in range(len(made))] == distinct == made.keys.to_pylist()
        assert [distinct[number] for number in numbers.tolist()] == keys
        for key in keys + others:
            assert made.place(key) == bisect_left(distinct, key)
            assert made.find(key) == (distinct.index(key) if key in distinct else -1)
        assert made.nbytes >= sum(map(len, distinct))
