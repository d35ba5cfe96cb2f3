"""Which checkpoints stay, so that the past can be read."""

from __future__ import annotations

import itertools

from hypothesis import given, strategies as st

from convex_nb.engine.wal.milestones import EVERY, Milestones, places_of_root
from convex_nb.engine.wal.rows import Blob


def followed(milestones: Milestones, number: int, since: int) -> Milestones:
    """After another checkpoint at the time ``number``, whose snapshot is the blob ``number``, its log ``-number``."""
    following = milestones.followed_by(number, number, [-number], since)
    return following.completed(Blob(number, 1), [number])


@given(st.lists(st.integers(1, 40), max_size=60))
def test_every_moment_of_retention_can_be_read(ages: list[int]) -> None:
    """Whatever is asked for: a milestone before it is kept, the log from there on, and not much more."""
    milestones = Milestones.beginning(0)
    kept_since = 0
    for number, age in enumerate(ages, 1):
        since = number - age
        kept_since = max(kept_since, since)
        milestones = followed(milestones, number, since)
        every = milestones.all()
        assert [each.timestamp for each in every] == sorted({each.timestamp for each in every})
        assert every[-1].timestamp == number
        assert milestones.oldest.timestamp <= max(kept_since, 0)
        if len(every) > 1:
            assert every[1].timestamp > since
        for before, after in itertools.pairwise(every):
            assert after.position - before.position <= EVERY
        first = milestones.oldest.timestamp
        snapshots = {each.timestamp for each in every if each.checkpoint is not None}
        assert milestones.blobs() == snapshots | {-each for each in range(first + 1, number + 1)}
        assert [place[0] for place in places_of_root(milestones.root())] == [each.timestamp for each in every]


def test_every_second_checkpoint_stays_where_all_are_recent() -> None:
    milestones = Milestones.beginning(0)
    for number in range(1, 101):
        milestones = followed(milestones, number, -1)
    assert len(milestones.older) == 100 // EVERY
    assert milestones.reaching(-1) is milestones
    assert milestones.reaching(100).all() == (milestones.newest,)


def test_two_are_enough_where_nothing_of_the_past_is_wanted() -> None:
    milestones = Milestones.beginning(0)
    for number in range(1, 10):
        milestones = followed(milestones, number, number)
        assert milestones.all() == (milestones.newest,)
