from __future__ import annotations

from collections.abc import Callable

import pytest

from convex_nb.engine.usage import Usage
from convex_nb.language.documents import Document
from convex_nb.language.errors import LimitError
from convex_nb.language.limits import Limits
from convex_nb.language.values import size_of


class Time:
    """A clock that moves when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("convex_nb.engine.usage.perf_counter", lambda: self.now)

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def test_the_time_of_user_code_counts_and_the_database_s_does_not(time: Time) -> None:
    usage = Usage(Limits(query_seconds=10))
    time.passes(100)
    usage.start_clock()
    time.passes(1)
    usage.add_range()
    time.passes(100)
    usage.add_read([SMALL], 1)
    time.passes(2)
    usage.enter()
    time.passes(100)
    usage.add_write(SMALL)
    time.passes(3)
    usage.enter()
    assert usage.user_seconds == 6
    time.passes(3)
    usage.add_range()
    usage.add_read([SMALL], 1)
    time.passes(2)
    with pytest.raises(LimitError, match=r"computed for 11.0 s.* may take 10 s. Nothing was written") as raised:
        usage.add_range()
    assert (raised.value.kind, raised.value.limit, raised.value.used) == ("query_seconds", 10, 11)


def test_the_time_between_two_documents_of_an_iteration_counts(time: Time) -> None:
    usage = Usage(Limits(query_seconds=10))
    usage.start_clock()
    usage.add_range()
    for _ in range(3):
        usage.add_read([SMALL], 1)
        time.passes(3)
    usage.enter()
    assert usage.user_seconds == 9


def test_without_a_limit_no_time_counts(time: Time) -> None:
    for usage in (Usage(Limits(query_seconds=float("inf"))), Usage(Limits(query_seconds=1))):
        if usage.limits.query_seconds > 1:
            usage.start_clock()
        time.passes(100)
        usage.add_range()
        usage.add_read([SMALL], 1)
        usage.enter()
        assert usage.user_seconds == 0


LIMITS = Limits(read_documents=3, read_bytes=100, read_ranges=2, write_documents=2, write_bytes=50)
SMALL, LARGE = Document({"a": 1}), Document({"a": "x" * 60})


@pytest.mark.parametrize(
    ("uses", "kind", "limit"),
    [
        ([lambda u: u.add_range()] * 3, "reads", 2),
        ([lambda u: u.add_read([SMALL], 1)] * 4, "documents_read", 3),
        ([lambda u: u.add_read([SMALL] * 4, 4)], "documents_read", 3),
        ([lambda u: u.add_read([LARGE], 1)] * 2, "bytes_read", 100),
        ([lambda u: u.add_write(SMALL)] * 3, "writes", 2),
        ([lambda u: u.add_write(None)] * 3, "writes", 2),
        ([lambda u: u.add_write(LARGE)], "bytes_written", 50),
    ],
)
def test_the_last_one_is_too_many(uses: list[Callable[[Usage], None]], kind: str, limit: int) -> None:
    usage = Usage(LIMITS)
    for use in uses[:-1]:
        use(usage)
    with pytest.raises(LimitError, match="in a single function execution") as caught:
        uses[-1](usage)
    assert (caught.value.kind, caught.value.limit) == (kind, limit)
    assert caught.value.used > limit
    unit = " bytes" if kind.startswith("bytes") else ""
    assert f"(limit: {limit}{unit}). Nothing was written" in str(caught.value)


def test_counters() -> None:
    usage = Usage(LIMITS)
    usage.add_range()
    usage.add_read([SMALL, SMALL], 2)
    usage.add_write(SMALL)
    usage.add_write(None)
    assert (usage.ranges_read, usage.documents_read, usage.documents_written) == (1, 2, 2)
    assert (usage.bytes_read, usage.bytes_written) == (2 * size_of(SMALL), size_of(SMALL))
    assert usage.documents_left() == 1
    assert repr(usage) == "Usage(2 documents read in 1 ranges, 2 documents written)"


def test_sizes_are_not_computed_where_nothing_limits_them() -> None:
    usage = Usage(Limits.notebook())
    usage.add_read([LARGE] * 100, 100)
    usage.add_write(LARGE)
    assert (usage.bytes_read, usage.bytes_written) == (0, 0)
