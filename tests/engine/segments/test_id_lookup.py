from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from convex_nb.engine.segments.columns import Column
from convex_nb.engine.segments.id_lookup import IdLookup
from convex_nb.engine.segments.layout import Field
from convex_nb.language.ids import encode_id
from tests.engine.databases import small_steps
from tests.engine.documents import id_of

RANDOM_IDS = st.builds(encode_id, st.sampled_from([10001, 10002]), st.binary(min_size=16, max_size=16))
NEAR_IDS = st.integers(0, 999).map(lambda n: encode_id(10001, n.to_bytes(16, "big")))
LATE_IDS = st.integers(0, 999).map(lambda n: encode_id(10001, n.to_bytes(16, "little")))
SHORT_AND_LONG_IDS = st.builds(encode_id, st.sampled_from([1, 200, 2**32 - 1]), st.binary(min_size=16, max_size=16))
TEXTS = st.text(max_size=8)
FIVE = st.text("09az", min_size=5, max_size=5)
GARBAGE = st.text() | st.text("0123456789abcdefghjkmnpqrstvwxyz-+_ ", max_size=34) | st.just("\ud800")


def lookup_of(ids: list[str], type_: object = None) -> IdLookup:
    column = Column(Field("_id", "string"), pa.array(ids, type_ or pa.string()))
    return IdLookup(column.values, column.data)


@pytest.mark.parametrize("ids", [RANDOM_IDS, NEAR_IDS, LATE_IDS, SHORT_AND_LONG_IDS, TEXTS, FIVE])
@given(data=st.data())
def test_finds_what_is_there_and_nothing_else(ids: st.SearchStrategy[str], data: st.DataObject) -> None:
    stored = data.draw(st.lists(ids, unique=True, max_size=60))
    with small_steps(data.draw(st.sampled_from([1, 7, 100]))):
        lookup = lookup_of(stored)
    assert [lookup.find(id) for id in stored] == list(range(len(stored)))
    assert [stored[row] for row in lookup.order] == sorted(stored, key=str.encode)
    for other in data.draw(st.lists(ids | GARBAGE, max_size=10)):
        assert lookup.find(other) == (stored.index(other) if other in stored else -1)


@given(st.data())
def test_near_misses(data: st.DataObject) -> None:
    stored = [str(id_of(n)) for n in range(50)]
    lookup = lookup_of(stored)
    text = data.draw(st.sampled_from(stored))
    at = data.draw(st.integers(0, len(text)))
    for other in (text[:at] + data.draw(GARBAGE) + text[at:], text[:at] + text[at + 1 :], text.upper(), text + "0"):
        assert lookup.find(other) == (stored.index(other) if other in stored else -1)


def test_large_strings() -> None:
    stored = [str(id_of(n)) for n in range(50)] + ["short"]
    lookup = lookup_of(stored, pa.large_string())
    assert [lookup.find(id) for id in stored] == list(range(51))


def test_eight_bytes_a_document() -> None:
    assert lookup_of([str(id_of(n)) for n in range(50_000)]).nbytes < 12 * 50_000
