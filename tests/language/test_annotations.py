"""Validators from Python annotations."""

from __future__ import annotations

import collections.abc
import dataclasses
import datetime
import decimal
import functools
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType, NotRequired, Optional, Required, TypedDict, Union

import pytest

from convex_nb.language.annotations import validator_of_annotation, validators_of_signature
from convex_nb.language.errors import SchemaDefinitionError, ValidationError
from convex_nb.language.validators import Validator, WholeNumberValidator, v
from convex_nb.language.values import Id, Int64

WHOLE = WholeNumberValidator()
Email = NewType("Email", str)
UserId: Any = Id["users"]  # type: ignore[misc]
RoomId: Any = Id["rooms"]  # type: ignore[misc]


class Address(TypedDict):
    city: str
    zip: NotRequired[str]


class Partial(TypedDict, total=False):
    name: Required[str]
    address: Address


@dataclasses.dataclass
class Person:
    name: str
    age: int = 0
    tags: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Team:
    lead: Person
    members: list[Person]


class Tree(TypedDict):
    children: list[Tree]


ANNOTATIONS: list[tuple[Any, Validator]] = [
    (str, v.string()),
    (float, v.number()),
    (int, WHOLE),
    (Int64, v.int64()),
    (bool, v.boolean()),
    (bytes, v.bytes()),
    (None, v.null()),
    (type(None), v.null()),
    (Any, v.any()),
    (object, v.any()),
    (Id, v.string()),
    (Id["tasks"], v.id("tasks")),  # type: ignore[misc]
    (v.id("tasks"), v.id("tasks")),
    (v.id("tasks") | None, v.nullable(v.id("tasks"))),
    (Annotated[str, v.id("tasks")], v.id("tasks")),
    (Annotated[str, "a remark"], v.string()),
    (list, v.array(v.any())),
    (list[str], v.array(v.string())),
    (tuple[str, ...], v.array(v.string())),
    (typing.List[str], v.array(v.string())),  # noqa: UP006
    (collections.abc.Sequence[float], v.array(v.number())),
    (list[list[int]], v.array(v.array(WHOLE))),
    (dict, v.record(v.string(), v.any())),
    (dict[str, float], v.record(v.string(), v.number())),
    (collections.abc.Mapping[str, str], v.record(v.string(), v.string())),
    (dict[UserId, bool], v.record(v.id("users"), v.boolean())),
    (str | None, v.nullable(v.string())),
    (Optional[str], v.nullable(v.string())),  # noqa: UP045
    (Union[str, float], v.union(v.string(), v.number())),  # noqa: UP007
    (str | float | None, v.union(v.string(), v.number(), v.null())),
    (Literal["a"], v.literal("a")),
    (Literal["a", 1, True, None], v.union(v.literal("a"), v.literal(1), v.literal(True), v.null())),
    (Email, v.string()),
    (Address, v.object({"city": v.string(), "zip": v.optional(v.string())})),
    (
        Partial,
        v.object(
            {
                "name": v.string(),
                "address": v.optional(v.object({"city": v.string(), "zip": v.optional(v.string())})),
            }
        ),
    ),
    (Person, v.object({"name": v.string(), "age": v.optional(WHOLE), "tags": v.optional(v.array(v.string()))})),
    ("list[float]", v.array(v.number())),
]


@pytest.mark.parametrize(("annotation", "validator"), ANNOTATIONS)
def test_annotations(annotation: Any, validator: Validator) -> None:
    assert validator_of_annotation(annotation) == validator


def test_classes_nest() -> None:
    person = validator_of_annotation(Person)
    assert validator_of_annotation(Team) == v.object({"lead": person, "members": v.array(person)})


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (set[str], "list"),
        (datetime.datetime, "milliseconds"),
        (decimal.Decimal, "keep every digit"),
        (tuple[str, float], "fixed shape"),
        (complex, "not a type of Convex values"),
        (Callable[[], None], "not a type"),
        (Tree, "contains itself"),
        ("Nowhere", "cannot be evaluated"),
        ("1 +", "cannot be evaluated"),
        (dict[float, str], "as keys"),
        (Literal[b"a"], "v.literal takes"),
    ],
)
def test_what_is_no_type_of_values(annotation: Any, message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=message):
        validator_of_annotation(annotation)


def test_a_signature() -> None:
    def send(ctx: Any, author: str, room: RoomId, n: int = 1, extra=None, *, urgent: bool = False) -> None: ...  # type: ignore[no-untyped-def]

    assert validators_of_signature(send) == v.object(
        {
            "author": v.string(),
            "room": v.id("rooms"),
            "n": WHOLE.as_optional(),
            "extra": v.optional(v.any()),
            "urgent": v.optional(v.boolean()),
        }
    )


def test_open_signatures_take_anything() -> None:
    def anything(ctx: Any, **arguments: Any) -> None: ...

    assert validators_of_signature(anything) == v.any()
    assert validators_of_signature(lambda ctx: None) == v.object({})


def test_decorated_functions_are_looked_through() -> None:
    def handler(ctx: Any, address: Address) -> None: ...

    @functools.wraps(handler)
    def wrapper(*args: Any, **kwargs: Any) -> None: ...

    assert validators_of_signature(wrapper) == v.object({"address": validator_of_annotation(Address)})


def _positional(ctx: Any, a: str, /) -> None: ...
def _variadic(ctx: Any, *rest: str) -> None: ...
def _no_context() -> None: ...
def _only_keywords(*, a: str) -> None: ...
def _only_rest(*args: Any) -> None: ...
def _wrong(ctx: Any, when: datetime.datetime) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (_positional, "cannot be passed by name"),
        (_variadic, "cannot be passed by name"),
        (_no_context, "takes no context"),
        (_only_keywords, "takes no context"),
        (_only_rest, r"takes \*args"),
        (_wrong, "parameter `when` of `_wrong`: datetime is not a type"),
    ],
)
def test_signatures_that_no_call_fits(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=message):
        validators_of_signature(function)


@pytest.mark.parametrize(("value", "normal"), [(5, 5), (5.0, 5), (-0.0, 0), (2.0**53, 2**53)])
def test_int_takes_whole_numbers_and_gives_int(value: Any, normal: int) -> None:
    found = WHOLE.validate(value)
    assert (type(found), found) == (int, normal)


@pytest.mark.parametrize("value", [5.5, float("nan"), float("inf"), True, "5", Int64(5), None, 1e300])
def test_int_takes_nothing_else(value: Any) -> None:
    with pytest.raises((ValidationError, ValueError)):
        WHOLE.validate(value)
