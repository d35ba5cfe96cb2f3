from __future__ import annotations

import numpy
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from convex_nb.language.errors import InvalidIdError
from convex_nb.language.ids import ALPHABET, decode_id, encode_id
from convex_nb.language.ids_columnar import encode_ids, id_table_numbers

NUMBERS = st.sampled_from([1, 127, 128, 10001, 16383, 16384, 2**21 - 1, 2**21, 2**28, 2**32 - 1]) | st.integers(
    1, 2**32 - 1
)
INTERNALS = st.binary(min_size=16, max_size=16)


def table_number(text: str | None) -> int:
    try:
        return decode_id(text)[0] if text is not None else 0
    except InvalidIdError:
        return 0


@given(NUMBERS, st.lists(INTERNALS, max_size=8))
def test_ids_equal_those_made_one_by_one(number: int, internals: list[bytes]) -> None:
    array = numpy.frombuffer(b"".join(internals), numpy.uint8).reshape(-1, 16)
    assert encode_ids(number, array).to_pylist() == [encode_id(number, internal) for internal in internals]


@st.composite
def nearly_ids(draw: st.DrawFn) -> str:
    text = encode_id(draw(NUMBERS), draw(INTERNALS))
    at = draw(st.integers(0, len(text) - 1))
    changed: str = text[:at] + draw(st.sampled_from([*ALPHABET, "u", "é", "", "00"])) + text[at + 1 :]
    return changed


@given(st.lists(st.none() | st.text() | nearly_ids() | st.builds(encode_id, NUMBERS, INTERNALS), max_size=12))
def test_table_numbers(ids: list[str | None]) -> None:
    expected = [table_number(text) for text in ids]
    assert id_table_numbers(pa.array(ids, pa.string())).tolist() == expected
    assert id_table_numbers(pa.array(["", *ids], pa.large_string()).slice(1)).tolist() == expected


@pytest.mark.parametrize(
    "text",
    [
        "z43zp6c3e75gkmz1kfwj6mbbx5sw281h",
        "j5700000000000000000000000001qv0",
        "fzzzzzzzzzzzzzzzzzzzzzzzzzzpzsr",
        "zzzzzzrfzzzzzzzzzzzzzzzzzzzzzzzzzzxjj",
        # The same numbers, not in their shortest form; and table zero.
        "g0000000000000000000000000000000",
        "00000000000000000000000000000000",
        "0000000000000000000000000000000",
    ],
)
def test_known_ids(text: str) -> None:
    assert id_table_numbers(pa.array([text])).tolist() == [table_number(text)]


@pytest.mark.parametrize("number", [1, 10001, 2**20, 2**27, 2**32 - 1])
def test_spare_bits_at_the_end(number: int) -> None:
    text = encode_id(number, bytes(range(16)))
    changed = [text[:-1] + letter for letter in ALPHABET]
    assert id_table_numbers(pa.array(changed)).tolist() == [table_number(each) for each in changed]
