"""Read-only dicts and lists."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from convex_nb.language.documents import Document, ReadOnlyList, freeze
from convex_nb.language.errors import ReadOnlyError
from convex_nb.language.ordering import same_value
from convex_nb.testing.strategies import values

DOCUMENT = freeze({"a": 1, "tags": ["x", "y"], "owner": {"name": "Ada"}})


def _assign_item(value: Any, key: Any) -> None:
    value[key] = 1


def _delete_item(value: Any, key: Any) -> None:
    del value[key]


def _ior(value: Any, other: Any) -> None:
    value |= other


def _iadd(value: Any, other: Any) -> None:
    value += other


def _imul(value: Any, times: int) -> None:
    value *= times


MUTATIONS: list[Callable[[], object]] = [
    lambda: _assign_item(DOCUMENT, "a"),
    lambda: _delete_item(DOCUMENT, "a"),
    lambda: _ior(DOCUMENT, {"b": 1}),
    lambda: DOCUMENT.clear(),
    lambda: DOCUMENT.pop("a"),
    lambda: DOCUMENT.popitem(),
    lambda: DOCUMENT.setdefault("b", 1),
    lambda: DOCUMENT.update(b=1),
    lambda: _assign_item(DOCUMENT["owner"], "name"),
    lambda: _assign_item(DOCUMENT["tags"], 0),
    lambda: _assign_item(DOCUMENT["tags"], slice(0, 1)),
    lambda: _delete_item(DOCUMENT["tags"], 0),
    lambda: _iadd(DOCUMENT["tags"], ["z"]),
    lambda: _imul(DOCUMENT["tags"], 2),
    lambda: DOCUMENT["tags"].append("z"),
    lambda: DOCUMENT["tags"].clear(),
    lambda: DOCUMENT["tags"].extend(["z"]),
    lambda: DOCUMENT["tags"].insert(0, "z"),
    lambda: DOCUMENT["tags"].pop(),
    lambda: DOCUMENT["tags"].remove("x"),
    lambda: DOCUMENT["tags"].reverse(),
    lambda: DOCUMENT["tags"].sort(),
]


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_every_mutation_is_refused_with_what_to_write(mutate: Callable[[], object]) -> None:
    with pytest.raises(ReadOnlyError, match=r"doc \| \{...\}"):
        mutate()
    assert DOCUMENT == {"a": 1, "tags": ["x", "y"], "owner": {"name": "Ada"}}


def test_no_mutator_of_dict_or_list_was_forgotten() -> None:
    readers = {"copy", "fromkeys", "get", "items", "keys", "values", "count", "index"}
    for kind in (Document, ReadOnlyList):
        base = kind.__mro__[1]
        public = {name for name in dir(base) if not name.startswith("_")} - readers
        mutators = public | {
            name for name in ("__setitem__", "__delitem__", "__iadd__", "__imul__", "__ior__") if hasattr(base, name)
        }
        assert mutators <= vars(kind).keys()


@pytest.mark.parametrize(
    "changed",
    [
        DOCUMENT | {},
        {} | DOCUMENT,
        {**DOCUMENT},
        dict(DOCUMENT),
        DOCUMENT.copy(),
        copy.copy(DOCUMENT),
        copy.deepcopy(DOCUMENT),
        pickle.loads(pickle.dumps(DOCUMENT)),
    ],
)
def test_copies_are_plain_and_writable(changed: Any) -> None:
    assert type(changed) is dict
    assert changed == DOCUMENT
    changed["a"] = 2
    assert DOCUMENT["a"] == 1


def test_deep_copies_are_plain_all_the_way_down() -> None:
    for changed in (copy.deepcopy(DOCUMENT), pickle.loads(pickle.dumps(DOCUMENT))):
        assert type(changed["tags"]) is list
        assert type(changed["owner"]) is dict


@pytest.mark.parametrize(
    "changed", [DOCUMENT["tags"] + [], DOCUMENT["tags"].copy(), DOCUMENT["tags"][:], copy.copy(DOCUMENT["tags"])]
)
def test_copies_of_lists_are_plain(changed: Any) -> None:
    assert type(changed) is list
    assert changed == ["x", "y"]


def test_a_document_serves_where_a_dict_does() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT
    match DOCUMENT:
        case {"owner": {"name": name}}:
            assert name == "Ada"
    assert {**DOCUMENT, "a": 3}["a"] == 3


@given(values())
def test_freezing_keeps_the_value_and_is_done_once(value: Any) -> None:
    frozen = freeze(value)
    assert same_value(frozen, value)
    assert freeze(frozen) is frozen
    assert _types(frozen).isdisjoint({dict, list})


def _types(value: Any) -> set[type]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {type(value)}.union(*map(_types, inside))
