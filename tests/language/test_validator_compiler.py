"""What validators accept, and what they make of it: the generated code against a plain reading of the rules."""

from __future__ import annotations

import collections
import enum
from typing import Any

import numpy
import pytest
from hypothesis import given, strategies as st

from convex_nb.language.documents import Document, ReadOnlyList, freeze
from convex_nb.language.errors import InvalidValueError, ValidationError
from convex_nb.language.ids import encode_id
from convex_nb.language.ordering import compare_values, same_value
from convex_nb.language.schema import define_table
from convex_nb.language.validator_checks import converts
from convex_nb.language.validators import (
    AnyValidator,
    ArrayValidator,
    BooleanValidator,
    BytesValidator,
    IdValidator,
    Int64Validator,
    LiteralValidator,
    NullValidator,
    NumberValidator,
    ObjectValidator,
    RecordValidator,
    StringValidator,
    UnionValidator,
    Validator,
    WholeNumberValidator,
    v,
)
from convex_nb.language.values import UNDEFINED, Id, Int64
from convex_nb.testing.strategies import TABLES, fitting, ids, keys, validators, values


class Color(enum.StrEnum):
    RED = "red"


USER = encode_id(10001, bytes(16))
TASK = encode_id(10002, bytes(16))
UNKNOWN = encode_id(20000, bytes(16))

ACCEPTED: list[tuple[Validator, Any, Any]] = [
    (v.string(), "", ""),
    (v.string(), "é", "é"),
    (v.string(), Id("a", "t"), "a"),
    (v.string(), Color.RED, "red"),
    (v.string(), numpy.str_("a"), "a"),
    (v.number(), 5, 5),
    (v.number(), 5.0, 5.0),
    (v.number(), float("nan"), float("nan")),
    (v.number(), -0.0, -0.0),
    (v.number(), 2**53, 2**53),
    (v.number(), numpy.float32(0.5), 0.5),
    (v.number(), numpy.int32(5), 5),
    (v.int64(), Int64(5), Int64(5)),
    (v.int64(), 5, Int64(5)),
    (v.int64(), 2**63 - 1, Int64(2**63 - 1)),
    (v.int64(), numpy.int64(2**62), Int64(2**62)),
    (v.boolean(), True, True),
    (v.boolean(), numpy.bool_(False), False),
    (v.null(), None, None),
    (v.bytes(), b"a", b"a"),
    (v.bytes(), bytearray(b"a"), b"a"),
    (v.bytes(), memoryview(b"a"), b"a"),
    (v.id("users"), USER, USER),
    (v.id("users"), Id(USER, "users"), USER),
    (v.literal("a"), "a", "a"),
    (v.literal(1), 1, 1),
    (v.literal(1), 1.0, 1.0),
    (v.literal(1.0), 1, 1),
    (v.literal(0), 0.0, 0.0),
    (v.literal(float("nan")), float("nan"), float("nan")),
    (v.literal(Int64(1)), Int64(1), Int64(1)),
    (v.literal(Int64(1)), 1, Int64(1)),
    (v.literal(False), False, False),
    (v.array(v.number()), [], []),
    (v.array(v.number()), (1, 2.5), [1, 2.5]),
    (v.array(v.int64()), [1, Int64(2)], [Int64(1), Int64(2)]),
    (v.array(v.string()), ["a", "é"], ["a", "é"]),
    (v.array(v.array(v.bytes())), [[bytearray(b"a")]], [[b"a"]]),
    (v.object({}), {}, {}),
    (v.object({"a": v.optional(v.null())}), {}, {}),
    (v.object({"a": v.optional(v.null())}), {"a": UNDEFINED}, {}),
    (v.object({"a": v.optional(v.null())}), {"a": None}, {"a": None}),
    (v.object({"a": v.int64()}), {"a": 1, "b": UNDEFINED}, {"a": Int64(1)}),
    (v.object({"a": v.any()}), {"a": (1, {"b": UNDEFINED})}, {"a": [1, {}]}),
    (v.record(v.string(), v.int64()), {"a b": 1}, {"a b": Int64(1)}),
    (v.record(v.string(), v.null()), {"a": UNDEFINED}, {}),
    (v.record(v.id("users"), v.null()), {USER: None}, {USER: None}),
    (v.record(v.union(v.id("users"), v.string()), v.null()), {"x": None}, {"x": None}),
    (v.union(v.string(), v.null()), None, None),
    (v.union(v.int64(), v.string()), 5, Int64(5)),
    (v.union(v.int64(), v.number()), 5, 5),
    (v.union(v.array(v.null()), v.array(v.string())), ["a"], ["a"]),
    (v.union(v.literal("a"), v.literal(2)), 2.0, 2.0),
    (v.nullable(v.object({"a": v.bytes()})), {"a": bytearray()}, {"a": b""}),
    (v.any(), {"a": numpy.float64(1.5)}, {"a": 1.5}),
]


@pytest.mark.parametrize(("validator", "value", "normal"), ACCEPTED)
def test_accepted_and_normalised(validator: Validator, value: Any, normal: Any) -> None:
    assert same_value(validator.validate(value, tables=TABLES), normal)
    assert same_value(v.array(validator).validate([value], tables=TABLES), [normal])
    inside = v.object({"x": v.optional(validator)})
    assert same_value(inside.validate({"x": value}, tables=TABLES), {"x": normal})


REFUSED: list[tuple[Validator, Any]] = [
    (v.string(), 5),
    (v.string(), b"a"),
    (v.string(), None),
    (v.string(), "\ud800"),
    (v.number(), True),
    (v.number(), numpy.bool_(True)),
    (v.number(), Int64(5)),
    (v.number(), "5"),
    (v.number(), 2**53 + 1),
    (v.int64(), 5.0),
    (v.int64(), True),
    (v.int64(), 2**63),
    (v.int64(), "5"),
    (v.int64(), numpy.float64(5)),
    (v.int64(), numpy.timedelta64(5, "s")),
    (v.boolean(), 1),
    (v.boolean(), None),
    (v.null(), False),
    (v.null(), UNDEFINED),
    (v.bytes(), "a"),
    (v.bytes(), [1]),
    (v.id("users"), "users"),
    (v.id("users"), TASK),
    (v.id("users"), UNKNOWN),
    (v.id("users"), 5),
    (v.literal("a"), "b"),
    (v.literal("a"), b"a"),
    (v.literal(1), True),
    (v.literal(1), Int64(1)),
    (v.literal(1), "1"),
    (v.literal(0), -0.0),
    (v.literal(True), 1),
    (v.literal(Int64(1)), 1.0),
    (v.literal(Int64(1)), True),
    (v.array(v.number()), {1}),
    (v.array(v.number()), "ab"),
    (v.array(v.number()), [1, "a"]),
    (v.array(v.number()), [True]),
    (v.array(v.number()), [UNDEFINED]),
    (v.array(v.number()), numpy.array([1.0])),
    (v.array(v.string()), ["a", "\ud800"]),
    (v.array(v.any()), [1, {2}]),
    (v.object({"a": v.null()}), {}),
    (v.object({"a": v.null()}), {"a": UNDEFINED}),
    (v.object({"a": v.null()}), {"a": None, "b": None}),
    (v.object({"a": v.null()}), {"a": None, 1: None}),
    (v.object({"a": v.null()}), {"a": None, float("nan"): None}),
    (v.object({"a": v.optional(v.string())}), {"a": None}),
    (v.object({}), []),
    (v.object({}), None),
    (v.record(v.string(), v.null()), {"a": 1}),
    (v.record(v.string(), v.null()), {"é": None}),
    (v.record(v.string(), v.null()), {"$a": None}),
    (v.record(v.string(), v.null()), {"": None}),
    (v.record(v.string(), v.null()), {1: None}),
    (v.record(v.id("users"), v.null()), {"x": None}),
    (v.record(v.id("users"), v.null()), {TASK: None}),
    (v.record(v.string(), v.null()), {f"k{number}": None for number in range(1025)}),
    (v.union(), None),
    (v.union(v.string(), v.null()), 5),
    (v.union(v.number(), v.string()), True),
    (v.any(), UNDEFINED),
    (v.any(), {1, 2}),
    (v.any(), {"$a": 1}),
]


@pytest.mark.parametrize(("validator", "value"), REFUSED)
def test_refused_wherever_it_stands(validator: Validator, value: Any) -> None:
    doors: list[tuple[Validator, Any]] = [
        (validator, value),
        (v.array(validator), [value]),
        (v.array(v.array(v.array(v.array(v.array(validator))))), [[[[[value]]]]]),
        (v.object({"x": validator}), {"x": value}),
        (v.object({"x": validator}).partial(), {"x": value}),
        (v.record(v.string(), validator), {"x": value}),
        (v.nullable(v.object({"x": validator})), {"x": value}),
        (v.union(v.object({"x": validator}), v.object({"y": validator})), {"x": value}),
    ]
    for door, given_ in doors:
        if value is UNDEFINED and door is not validator and door.kind != "array" and door.kind != "union":
            continue
        with pytest.raises((ValidationError, InvalidValueError)):
            door.validate(given_, tables=TABLES)


def test_without_tables_only_the_form_of_an_id_counts() -> None:
    assert v.id("users").validate(TASK) == TASK
    with pytest.raises(ValidationError):
        v.id("users").validate("nonsense")


def accepts(validator: Validator, value: Any) -> bool:
    """The rules, read plainly, for normalised values."""
    match validator:
        case StringValidator():
            return isinstance(value, str)
        case WholeNumberValidator():
            return type(value) in (int, float) and value % 1 == 0 and abs(value) <= 2**53
        case NumberValidator():
            return type(value) in (int, float)
        case Int64Validator():
            return type(value) in (int, Int64)
        case BooleanValidator():
            return type(value) is bool
        case NullValidator():
            return value is None
        case BytesValidator():
            return type(value) is bytes
        case IdValidator():
            return isinstance(value, str) and any(
                value == encode_id(number, bytes(16)) or _table_of(value) == name
                for number, name in TABLES.items()
                if name == validator.table_name
            )
        case LiteralValidator():
            return compare_values(value, validator.value) == 0 or (
                type(validator.value) is Int64 and type(value) is int and value == validator.value
            )
        case ArrayValidator():
            return isinstance(value, list) and all(accepts(validator.element, item) for item in value)
        case RecordValidator():
            return isinstance(value, dict) and all(
                accepts(validator.key, key) and accepts(validator.value, item) for key, item in value.items()
            )
        case ObjectValidator():
            return (
                isinstance(value, dict)
                and value.keys() <= validator.fields.keys()
                and all(
                    accepts(field, value[name]) if name in value else field.is_optional
                    for name, field in validator.fields.items()
                )
            )
        case UnionValidator():
            return any(accepts(member, value) for member in validator.members)
        case AnyValidator():
            return True
        case _:
            raise AssertionError(validator)


def _table_of(text: str) -> str | None:
    from convex_nb.language.errors import InvalidIdError
    from convex_nb.language.ids import decode_id

    try:
        return TABLES.get(decode_id(text)[0])
    except InvalidIdError:
        return None


@st.composite
def near_misses(draw: st.DrawFn, validator: Validator) -> Any:
    """Something that fits `validator`, with one part changed."""
    value = draw(fitting(validator))
    return draw(_changed(value))


def _changed(value: Any) -> st.SearchStrategy[Any]:
    changes = [values(max_leaves=3), st.just(value)]
    if isinstance(value, dict):
        changes.append(st.builds(lambda key, item: {**value, key: item}, keys(), values(max_leaves=2)))
        if value:
            some = st.sampled_from(sorted(value))
            changes.append(some.map(lambda gone: {key: item for key, item in value.items() if key != gone}))
            changes.append(some.flatmap(lambda key: _changed(value[key]).map(lambda item: {**value, key: item})))
    if isinstance(value, list) and value:
        changes.append(_changed(value[0]).map(lambda item: [*value[1:], item]))
    return st.one_of(changes)


pairs = validators().flatmap(lambda validator: st.tuples(st.just(validator), near_misses(validator) | ids()))


@given(pairs)
def test_the_generated_code_follows_the_rules(pair: tuple[Validator, Any]) -> None:
    validator, value = pair
    for form in (value, freeze(value)):
        try:
            normal = validator.validate(form, tables=TABLES)
        except (ValidationError, InvalidValueError):
            assert not accepts(validator, value)
            continue
        assert accepts(validator, value)
        assert same_value(validator.validate(normal, tables=TABLES), normal)
        if not converts(validator):
            assert same_value(normal, value)


@given(validators().flatmap(lambda validator: st.tuples(st.just(validator), fitting(validator))))
def test_what_is_read_only_stays_itself(pair: tuple[Validator, Any]) -> None:
    validator, value = pair
    frozen = freeze(value)
    if not converts(validator):
        assert validator.validate(frozen, tables=TABLES) is frozen


@given(validators().flatmap(lambda validator: st.tuples(st.just(validator), fitting(validator))))
def test_the_result_shares_no_plain_container(pair: tuple[Validator, Any]) -> None:
    validator, value = pair
    normal = validator.validate(value, tables=TABLES)
    assert _plain_containers(normal).isdisjoint(_plain_containers(value))


def _plain_containers(value: Any) -> set[int]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return ({id(value)} if type(value) in (dict, list) else set()).union(*map(_plain_containers, inside))


def test_dicts_with_defaults_are_read_as_they_are() -> None:
    given_ = collections.defaultdict(str, a="x")
    validator = v.object({"a": v.string(), "b": v.optional(v.string())})
    assert same_value(validator.validate(given_), {"a": "x"})
    with pytest.raises(ValidationError, match="missing the required field `c`"):
        validator.extend({"c": v.string()}).validate(given_)
    assert given_ == {"a": "x"}


def test_wide_objects_compile() -> None:
    for field in (v.string(), v.nullable(v.string()), v.optional(v.string()), v.array(v.string())):
        fields = {f"f{number}": field for number in range(1024)}
        value: dict[str, Any] = {name: [""] if field.kind == "array" else "" for name in fields}
        assert same_value(v.object(fields).validate(value), value)
        assert same_value(define_table(fields).validate(value, table_name="t"), value)


def test_int64_fields_of_documents_are_converted_in_a_copy() -> None:
    given_ = Document({"n": 5, "rest": ReadOnlyList([1])})
    normal = v.object({"n": v.int64(), "rest": v.any()}).validate(given_)
    assert same_value(normal, {"n": Int64(5), "rest": [1]})
    assert type(given_["n"]) is int


TEXTS: list[tuple[Validator, Any, str]] = [
    (
        v.object({"name": v.string()}),
        {"n": 1},
        (
            "Object is missing the required field `name`. Consider wrapping the field validator in `v.optional(...)` "
            "if this is expected.\n\nObject: {'n': 1}\nValidator: v.object({\"name\": v.string()})"
        ),
    ),
    (
        v.object({"name": v.string()}),
        {"name": "Ada", "x": 1},
        (
            "Object contains extra field `x` that is not in the validator.\n\nObject: {'name': 'Ada', 'x': 1}\n"
            'Validator: v.object({"name": v.string()})'
        ),
    ),
    (
        v.object({"author": v.string()}),
        {"autor": "Ada", "x": 1},
        (
            "Object is missing the required field `author`. Consider wrapping the field validator in "
            "`v.optional(...)` if this is expected. It has `autor`, which is not in the validator: did you mean "
            "`author`?\n\nObject: {'autor': 'Ada', 'x': 1}\nValidator: v.object({\"author\": v.string()})"
        ),
    ),
    (
        v.object({"stars": v.optional(v.number())}),
        {"stras": 1},
        (
            "Object contains extra field `stras` that is not in the validator. Did you mean `stars`?\n\n"
            "Object: {'stras': 1}\nValidator: v.object({\"stars\": v.optional(v.number())})"
        ),
    ),
    (
        v.object({"a": v.object({"b": v.optional(v.string())})}),
        {"a": {"b": 1.0}},
        "Value does not match validator.\nPath: .a.b\nValue: 1.0\nValidator: v.string()",
    ),
    (v.number(), "a", "Value does not match validator.\nValue: 'a'\nValidator: v.number()"),
    (v.nullable(v.number()), "a", "Value does not match validator.\nValue: 'a'\nValidator: v.nullable(v.number())"),
    (
        v.object({"to": v.optional(v.id("users"))}),
        {"to": TASK},
        (
            f'Found ID "{TASK}" from table `tasks`, which does not match the table name in validator `v.id("users")`.\n'
            f"Path: .to\nValue: '{TASK}'\nValidator: v.id(\"users\")"
        ),
    ),
    (
        v.array(v.union(v.string(), v.array(v.null()))),
        ["a", [None, 5]],
        (
            "Value does not match validator.\nPath: [1]\nValue: [None, 5]\n"
            "Validator: v.union(v.string(), v.array(v.null()))"
        ),
    ),
    (
        v.array(v.union(v.object({"k": v.literal("a"), "n": v.null()}), v.object({"k": v.literal("b")}))),
        [{"k": "a", "n": 1}],
        "Value does not match validator.\nPath: [0].n\nValue: 1\nValidator: v.null()",
    ),
]


@pytest.mark.parametrize(("validator", "value", "text"), TEXTS)
def test_the_words_of_the_errors(validator: Validator, value: Any, text: str) -> None:
    with pytest.raises(ValidationError) as found:
        validator.validate(value, tables=TABLES)
    assert str(found.value) == text


PATHS: list[tuple[Validator, Any, str]] = [
    (v.object({"a": v.array(v.object({"b": v.null()}))}), {"a": [{"b": None}, {"b": 1}]}, ".a[1].b"),
    (v.record(v.string(), v.array(v.null())), {"x y": [None, 1]}, ".x y[1]"),
    (v.object({'q"{0}\\': v.null()}), {'q"{0}\\': 1}, '.q"{0}\\'),
    (v.array(v.array(v.array(v.array(v.array(v.null()))))), [[[[[None, 1]]]]], "[0][0][0][0][1]"),
    (v.nullable(v.object({"a": v.nullable(v.null())})), {"a": 5}, ".a"),
    (v.object({"a": v.any()}), {"a": [{"b": {1}}]}, ".a[0].b"),
    (v.object({"a": v.object({"b": v.null()})}), {"a": {}}, ".a"),
    (v.array(v.record(v.string(), v.null())), [{"a": None}, {"$": None}], "[1]"),
    (v.array(v.int64()), [1, 2**70], "[1]"),
]


@pytest.mark.parametrize(("validator", "value", "path"), PATHS)
def test_the_error_names_the_place(validator: Validator, value: Any, path: str) -> None:
    with pytest.raises((ValidationError, InvalidValueError)) as found:
        validator.validate(value)
    error = found.value
    assert isinstance(error, (ValidationError, InvalidValueError))
    assert error.path == path
    assert f"Path: {path}" in str(error)


def test_the_error_carries_its_parts() -> None:
    with pytest.raises(ValidationError) as found:
        v.object({"a": v.string()}).validate({"a": 5})
    assert (found.value.path, found.value.value, found.value.validator) == (".a", 5, "v.string()")


def test_long_values_and_validators_are_shortened() -> None:
    wide = v.object({f"field_{number}": v.string() for number in range(1000)})
    with pytest.raises(ValidationError) as found:
        wide.validate({"field_0": "x" * 1_000_000, "more": list(range(1_000_000))})
    assert len(str(found.value)) < 1200
    assert "…" in str(found.value)


def test_deep_input_and_cycles_end_in_an_error() -> None:
    deep: Any = 1.0
    for _ in range(100_000):
        deep = [deep]
    cycle: list[Any] = []
    cycle.append(cycle)
    for validator in (v.any(), v.string(), v.array(v.any()), v.array(v.array(v.null())), v.union(v.null(), v.string())):
        for value in (deep, cycle, {"a": deep}):
            with pytest.raises((ValidationError, InvalidValueError)):
                validator.validate(value)


def test_validators_of_64_levels_compile() -> None:
    validator: Validator = v.int64()
    value: Any = 1
    for _ in range(64):
        validator, value = v.array(validator), [value]
    normal = validator.validate(value)
    for _ in range(64):
        (normal,) = normal
    assert type(normal) is Int64
