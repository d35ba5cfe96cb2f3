from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given

from convex_nb.engine.reading.filters import Expression, FilterBuilder, FilterError, build_filter, matches
from convex_nb.language.errors import ConvexNbError, InvalidValueError, LimitError
from convex_nb.language.ordering import compare_values, same_value
from convex_nb.language.values import UNDEFINED, Int64
from tests.engine.databases import insert_all, make_database, numbers, reading
from tests.engine.model import VALUES

q = FilterBuilder()
x = q.field("x")
NAN, INFINITY = math.nan, math.inf
Python = Callable[[Any, Any], Any]


def value_of(expression: Any, **document: Any) -> Any:
    return expression.evaluate(document)


def test_fields_are_dotted_paths() -> None:
    document = {"a": {"b": {"c": 1}}, "list": [{"b": 2}], "null": None}
    for path, expected in [
        ("a.b.c", 1),
        ("a.b", {"c": 1}),
        ("a.x", UNDEFINED),
        ("a.b.c.d", UNDEFINED),
        ("list.b", UNDEFINED),
        ("null", None),
        ("null.b", UNDEFINED),
        ("nothing", UNDEFINED),
    ]:
        assert q.field(path).evaluate(document) == expected, path


@given(VALUES, VALUES)
def test_comparisons_follow_the_total_order(left: Any, right: Any) -> None:
    order = compare_values(left, right)
    for name, python, expected in [
        ("eq", operator.eq, order == 0),
        ("neq", operator.ne, order != 0),
        ("lt", operator.lt, order < 0),
        ("lte", operator.le, order <= 0),
        ("gt", operator.gt, order > 0),
        ("gte", operator.ge, order >= 0),
    ]:
        assert value_of(getattr(q, name)(x, right), x=left) is expected
        assert value_of(getattr(q, name)(left, x), x=right) is expected
        assert value_of(python(x, right), x=left) is expected
        assert value_of(python(left, x), x=right) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (x == UNDEFINED, True),
        (x < None, True),
        (x == None, False),  # noqa: E711
        (q.field("one") == 1.0, True),
        (q.field("one") == Int64(1), False),
        (q.field("one") > Int64(5), True),
        (q.field("one") == True, False),  # noqa: E712
        (q.field("one") < True, True),
        (q.field("zero") == -0.0, False),
        (q.field("zero") > -0.0, True),
        (q.field("nan") == NAN, True),
        (q.field("nan") > INFINITY, True),
        (q.field("text") > 10**9, True),
        (q.field("list") == [1, 2.0], True),
        (q.field("object") == {"b": 1, "a": 2}, True),
        (q.field("object") < {"b": 0}, True),
    ],
)
def test_what_is_equal_and_what_comes_first(expression: Expression, expected: bool) -> None:
    document = {"one": 1, "zero": 0, "nan": NAN, "text": "", "list": [1.0, 2], "object": {"a": 2, "b": 1}}
    assert expression.evaluate(document) is expected


@pytest.mark.parametrize(
    ("name", "python", "left", "right", "expected"),
    [
        ("add", operator.add, 1, 2, 3),
        ("add", operator.add, 1, 0.5, 1.5),
        ("add", operator.add, Int64(1), Int64(2), Int64(3)),
        ("add", operator.add, 2**53, 1, float(2**53)),
        ("sub", operator.sub, 1, 2.5, -1.5),
        ("mul", operator.mul, 3, 4, 12),
        ("mul", operator.mul, 1e308, 10, INFINITY),
        ("div", operator.truediv, 6, 3, 2.0),
        ("div", operator.truediv, 1, 0, INFINITY),
        ("div", operator.truediv, -1, 0, -INFINITY),
        ("div", operator.truediv, 1, -0.0, -INFINITY),
        ("div", operator.truediv, 0, 0, NAN),
        ("div", operator.truediv, NAN, 0, NAN),
        ("div", operator.truediv, Int64(7), Int64(-2), Int64(-3)),
        ("div", operator.truediv, Int64(-7), Int64(-2), Int64(3)),
        ("div", operator.truediv, Int64(0), Int64(-2), Int64(0)),
        ("div", operator.truediv, Int64(2**62), Int64(3), Int64(2**62 // 3)),
        ("mod", operator.mod, 7, 3, 1),
        ("mod", operator.mod, -7, 3, -1),
        ("mod", operator.mod, 7, -3, 1),
        ("mod", operator.mod, -7.5, 2, -1.5),
        ("mod", operator.mod, 7, 0, NAN),
        ("mod", operator.mod, INFINITY, 2, NAN),
        ("mod", operator.mod, 5, INFINITY, 5.0),
        ("mod", operator.mod, Int64(-7), Int64(3), Int64(-1)),
    ],
)
def test_arithmetic(name: str, python: Python, left: Any, right: Any, expected: Any) -> None:
    for expression in (getattr(q, name)(x, right), python(x, right)):
        assert same_value(value_of(expression, x=left), expected)
    for expression in (getattr(q, name)(left, x), python(left, x)):
        assert same_value(value_of(expression, x=right), expected)


@pytest.mark.parametrize(("value", "expected"), [(1, -1), (0, -0.0), (-0.0, 0.0), (2.5, -2.5), (Int64(0), Int64(0))])
def test_negation(value: Any, expected: Any) -> None:
    for expression in (q.neg(x), -x):
        assert same_value(value_of(expression, x=value), expected)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "mod"])
@pytest.mark.parametrize(
    ("left", "right"), [(1, "a"), (True, 1), (None, 1), (UNDEFINED, 1), (Int64(1), 1), (1.0, Int64(1))]
)
def test_arithmetic_is_refused(name: str, left: Any, right: Any) -> None:
    with pytest.raises(FilterError, match=f"q.{name} takes two numbers or two Int64") as caught:
        value_of(getattr(q, name)(x, right), **({} if left is UNDEFINED else {"x": left}))
    assert caught.value.operator == name


@pytest.mark.parametrize("name", ["div", "mod"])
def test_an_int64_is_not_divided_by_zero(name: str) -> None:
    with pytest.raises(FilterError, match="divided by zero"):
        value_of(getattr(q, name)(x, Int64(0)), x=Int64(1))


def test_an_int64_does_not_overflow() -> None:
    with pytest.raises(InvalidValueError):
        value_of(x + Int64(1), x=Int64(2**63 - 1))


@pytest.mark.parametrize("value", [True, None, "1", []])
def test_only_numbers_are_negated(value: Any) -> None:
    with pytest.raises(FilterError, match=r"q\.neg takes a number"):
        value_of(-x, x=value)


@pytest.mark.parametrize("a", [True, False])
@pytest.mark.parametrize("b", [True, False])
def test_logic(a: bool, b: bool) -> None:
    y = q.field("y")
    for expression, expected in [
        (x & y, a and b),
        (q.and_(x, y), a and b),
        (x | y, a or b),
        (q.or_(x, y), a or b),
        (~x, not a),
        (q.not_(x), not a),
        (x & True, a),
        (True & x, a),
        (False | x, a),
        (x | False, a),
        (q.and_(), True),
        (q.or_(), False),
    ]:
        assert value_of(expression, x=a, y=b) is expected, repr(expression)


def test_logic_stops_at_the_first_answer() -> None:
    broken = q.field("text") + 1 == 2
    assert value_of(q.or_(x, broken), x=True, text="a") is True
    assert value_of(q.and_(x, broken), x=False, text="a") is False


@pytest.mark.parametrize("expression", [x & True, True & x, x | False, ~x, q.not_(x), q.and_(True, x)])
def test_logic_takes_booleans_only(expression: Expression) -> None:
    with pytest.raises(FilterError, match="takes booleans, got 1"):
        value_of(expression, x=1)


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: x > 1 and x < 3,
        lambda: x > 1 or x < 3,
        lambda: not x,
        lambda: 1 < x < 3,
        lambda: bool(x),
        lambda: x in (1, 2),
        lambda: 1 if x else 2,
    ],
)
def test_an_expression_has_no_truth_value(misuse: Callable[[], Any]) -> None:
    with pytest.raises(TypeError, match="has no truth value of its own") as caught:
        misuse()
    assert isinstance(caught.value, ConvexNbError)


def test_how_an_expression_shows() -> None:
    expression = ((q.field("a.b") + 1 > 2) & ~(q.field("c") == "x")) | False
    assert repr(expression) == (
        "q.or_(q.and_(q.gt(q.add(q.field('a.b'), 1), 2), q.not_(q.eq(q.field('c'), 'x'))), False)"
    )


@pytest.mark.parametrize(
    ("predicate", "text"),
    [
        (5, "filter.. takes a function"),
        (lambda q: None, "returned None"),
        (lambda q: "x", "returned 'x'"),
        (lambda q: q.field(""), "takes the path of a field"),
        (lambda q: q.field(3), "takes the path of a field"),
        (lambda q: q.eq(q.field("a"), object()), "object"),
    ],
)
def test_what_is_no_filter(predicate: Any, text: str) -> None:
    with pytest.raises(InvalidValueError, match=text):
        build_filter(predicate, limit=256)


def test_operators_are_counted() -> None:
    def deep(q: FilterBuilder) -> Any:
        expression = q.field("a")
        for _ in range(100):
            expression = expression + 1
        return expression == 0

    with pytest.raises(LimitError, match=r"at most 200 nested operators, these have 203") as caught:
        build_filter(deep, limit=200)
    assert (caught.value.kind, caught.value.limit, caught.value.used) == ("query_operators", 200, 203)
    assert build_filter(deep, limit=203).size == 203


@pytest.mark.parametrize("value", [1, "true", None])
def test_a_filter_has_to_be_boolean(value: Any) -> None:
    with pytest.raises(FilterError, match="which is neither True nor False"):
        matches(build_filter(lambda q: q.field("x"), limit=10), {"x": value})


def test_filters_of_a_query() -> None:
    database = make_database()
    insert_all(database, "items", [{"n": n, "even": n % 2 == 0} for n in range(10)])
    _, db = reading(database)
    query = db.query("items").filter(lambda q: q.field("even")).filter(lambda q: q.field("n") > 2)
    assert numbers(query.collect()) == numbers(query) == [4, 6, 8]
    assert numbers(query.order("desc").take(2)) == [8, 6]
    assert query.count() == 3
    assert db.query("items").filter(lambda q: True).count() == 10
    assert db.query("items").filter(lambda q: False).first() is None
