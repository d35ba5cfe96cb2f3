from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from convex_nb.engine.segments.encoded_text import value_of
from convex_nb.language.documents import Document, ReadOnlyList, freeze
from convex_nb.language.encoding import dumps, loads
from convex_nb.language.values import Int64
from tests.engine.documents import NESTED, exactly


@given(NESTED)
def test_reads_what_dumps_wrote(value: Any) -> None:
    text = dumps(value)
    assert exactly(value_of(text.encode())) == exactly(freeze(value)) == exactly(freeze(loads(text)))


@pytest.mark.parametrize(
    "value", [{"a": Int64(5)}, ["$x"], {"a": '{"$integer":"'}, {"a": [{"b": {}}]}, float("nan"), -0.0]
)
def test_tags_and_what_looks_like_them(value: Any) -> None:
    assert exactly(value_of(dumps(value).encode())) == exactly(freeze(value))


def test_containers_are_read_only() -> None:
    value = value_of(b'{"a":[{"$integer":"BQAAAAAAAAA="},[]]}')
    assert type(value) is Document
    assert type(value["a"]) is type(value["a"][1]) is ReadOnlyList
    assert exactly(value["a"][0]) == exactly(Int64(5))
