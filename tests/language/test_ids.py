"""Document ids."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, strategies as st

from convex_nb.language.errors import InvalidIdError
from convex_nb.language.ids import ALPHABET, _text, decode_id, encode_id


def _stability() -> bytes:
    body = [251]
    for _ in range(15):
        body.append(body[-1] * 251 % 256)
    return bytes(body)


VECTORS = [
    (1017, _stability(), "z43zp6c3e75gkmz1kfwj6mbbx5sw281h"),
    (10001, bytes(16), "j5700000000000000000000000001qv0"),
    (10001, bytes(range(16)), "j57000820c20a1g7104gm2rc1m70ynr8"),
    (1, bytes(16), "0400000000000000000000000000248"),
    (127, b"\xff" * 16, "fzzzzzzzzzzzzzzzzzzzzzzzzzzpzsr"),
    (128, bytes(16), "g00g000000000000000000000000108h"),
    # 5 + 16 + 2 bytes are 184 bits, which take 37 characters.
    (2**32 - 1, b"\xff" * 16, "zzzzzzrfzzzzzzzzzzzzzzzzzzzzzzzzzzxjj"),
]
table_numbers = st.sampled_from([1, 127, 128, 10001, 16383, 16384, 2**21, 2**28, 2**32 - 1]) | st.integers(1, 2**32 - 1)
internals = st.binary(min_size=16, max_size=16)


@pytest.mark.parametrize(("number", "internal", "text"), VECTORS)
def test_vectors(number: int, internal: bytes, text: str) -> None:
    assert encode_id(number, internal) == text
    assert decode_id(text) == (number, internal)


@given(table_numbers, internals)
def test_round_trip(number: int, internal: bytes) -> None:
    text = encode_id(number, internal)
    assert decode_id(text) == (number, internal)
    assert len(text) in (31, 32, 34, 36, 37)


@given(table_numbers, internals, st.data())
def test_any_other_character_anywhere_is_noticed(number: int, internal: bytes, data: st.DataObject) -> None:
    text = encode_id(number, internal)
    position = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from(ALPHABET + "ilouA-_ é"))
    changed = text[:position] + other + text[position + 1 :]
    # The checksum is short: a changed text may be an id again, but never another text of the same id.
    with suppress(InvalidIdError):
        assert encode_id(*decode_id(changed)) == changed


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "wasn't valid base32"),
        ("J57000820C20A1G7104GM2RC1M70YNR8", "wasn't valid base32"),
        ("j57000820c20a1g7104gm2rc1m70ynr8 ", "wasn't valid base32"),
        ("j57000820c20a1g7104gm2rc1m70ynr8\n", "wasn't valid base32"),
        ("j57000820c20a1g7104gm2rc1m70ynru", "wasn't valid base32"),
        ("j_7000820c20a1g7104gm2rc1m70ynr8", "wasn't valid base32"),
        ("٣" * 32, "wasn't valid base32"),
        ("j5700", "Invalid ID length 5"),
        ("0" * 33, "Invalid ID length 33"),
        ("0" * 31, "Invalid table number"),
        ("j57000820c20a1g7104gm2rc1m70ynr9", "Invalid ID version"),
        ("0400000000000000000000000000249", "wasn't valid base32"),
        ("x" * 1000, "Invalid ID length 1000"),
    ],
)
def test_what_is_no_id(text: str, reason: str) -> None:
    with pytest.raises(InvalidIdError, match=reason) as found:
        decode_id(text)
    assert found.value.id == text


def test_a_table_number_is_written_in_its_shortest_form() -> None:
    for vint in (b"\x81\x00", b"\x80\x00", b"\xff\xff\xff\xff\x1f", b"\x81\x80\x80\x80\x00"):
        with pytest.raises(InvalidIdError, match="Invalid table number"):
            decode_id(_text(vint + bytes(16)))


@pytest.mark.parametrize("text", [None, 5, b"j57000820c20a1g7104gm2rc1m70ynr8", [], UnicodeError()])
def test_what_is_no_text(text: Any) -> None:
    with pytest.raises(InvalidIdError):
        decode_id(text)


@given(st.text())
def test_garbage_never_raises_anything_else(text: str) -> None:
    with suppress(InvalidIdError):
        assert encode_id(*decode_id(text)) == text


@pytest.mark.parametrize("number", [0, -1, 2**32])
def test_table_numbers_are_32_bits_and_not_zero(number: int) -> None:
    with pytest.raises(InvalidIdError, match="Invalid table number"):
        encode_id(number, bytes(16))


def test_internal_ids_are_sixteen_bytes() -> None:
    with pytest.raises(InvalidIdError, match="16 bytes"):
        encode_id(10001, bytes(14))
