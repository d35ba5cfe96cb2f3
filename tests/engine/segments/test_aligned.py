from __future__ import annotations

from hypothesis import given, strategies as st

from convex_nb.engine.segments.aligned import aligned


@given(st.lists(st.lists(st.integers(0, 60), unique=True).map(sorted), min_size=1, max_size=6), st.integers(1, 12))
def test_pieces_are_of_ascending_intervals_and_no_longer_than_asked(sequences: list[list[int]], size: int) -> None:
    merged: list[int] = []
    for cuts in aligned([(len(each), each.__getitem__) for each in sequences], size):
        keys = sorted(key for each, (start, stop) in zip(sequences, cuts, strict=True) for key in each[start:stop])
        assert len(keys) <= max(size, len(sequences))
        assert not keys or not merged or merged[-1] < keys[0]
        merged += keys
    assert merged == sorted(key for each in sequences for key in each)


@given(st.lists(st.integers(0, 1), min_size=500, max_size=500), st.integers(20, 60))
def test_pieces_are_about_as_long_as_they_may_be(owners: list[int], size: int) -> None:
    sequences = [[key for key, owner in enumerate(owners) if owner == each] for each in (0, 1)]
    pieces = [
        sum(stop - start for start, stop in cuts)
        for cuts in aligned([(len(each), each.__getitem__) for each in sequences], size)
    ]
    assert all(length * 3 > size for length in pieces[:-1])
