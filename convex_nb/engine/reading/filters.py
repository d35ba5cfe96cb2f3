"""The filter language: expressions over a document's fields, and their meaning in Python.

Comparisons follow the total order of values: a missing field is ``UNDEFINED`` and sorts first, types never mix,
``1`` equals ``1.0`` and no ``Int64`` equals a number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from convex_nb.language.errors import ConvexNbError, InvalidValueError, LimitError
from convex_nb.language.ordering import compare_values
from convex_nb.language.values import UNDEFINED, Int64, to_value

Evaluate = Callable[[Mapping[str, Any]], Any]


class FilterError(ConvexNbError, TypeError):
    """An expression that has no value for some document; ``operator`` and ``operands``. The query was not answered."""

    def __init__(self, message: str, *, operator: str, operands: tuple[Any, ...]) -> None:
        self.operator = operator
        self.operands = operands
        super().__init__(message)


class Expression:
    """A value computed from each document. Made by the methods of ``q`` and by Python's operators."""

    __slots__ = ("evaluate", "operands", "operator", "size")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, operator: str, operands: tuple[Any, ...], evaluate: Evaluate) -> None:
        self.operator = operator
        self.operands = operands
        self.evaluate = evaluate
        self.size: int = 1 + sum([operand.size for operand in operands if isinstance(operand, Expression)])

    def __repr__(self) -> str:
        if self.operator in ("field", "literal"):
            return f"q.field({self.operands[0]!r})" if self.operator == "field" else repr(self.operands[0])
        name = f"{self.operator}_" if self.operator in ("and", "or", "not") else self.operator
        return f"q.{name}({', '.join(map(repr, self.operands))})"

    def __bool__(self) -> NoReturn:
        raise InvalidValueError(
            f"{self!r} has no truth value of its own: it is computed for each document. Combine expressions with "
            "`&`, `|` and `~` (in parentheses), or with q.and_, q.or_ and q.not_, and not with `and`, `or`, `not`, "
            "`in` or a chained comparison."
        )

    def __eq__(self, other: object) -> Expression:  # type: ignore[override]
        return _comparison("eq", self, other)

    def __ne__(self, other: object) -> Expression:  # type: ignore[override]
        return _comparison("neq", self, other)

    def __lt__(self, other: Any) -> Expression:
        return _comparison("lt", self, other)

    def __le__(self, other: Any) -> Expression:
        return _comparison("lte", self, other)

    def __gt__(self, other: Any) -> Expression:
        return _comparison("gt", self, other)

    def __ge__(self, other: Any) -> Expression:
        return _comparison("gte", self, other)

    def __and__(self, other: Any) -> Expression:
        return _logic("and", (self, other))

    def __rand__(self, other: Any) -> Expression:
        return _logic("and", (other, self))

    def __or__(self, other: Any) -> Expression:
        return _logic("or", (self, other))

    def __ror__(self, other: Any) -> Expression:
        return _logic("or", (other, self))

    def __invert__(self) -> Expression:
        return _not(self)

    def __add__(self, other: Any) -> Expression:
        return _arithmetic("add", self, other)

    def __radd__(self, other: Any) -> Expression:
        return _arithmetic("add", other, self)

    def __sub__(self, other: Any) -> Expression:
        return _arithmetic("sub", self, other)

    def __rsub__(self, other: Any) -> Expression:
        return _arithmetic("sub", other, self)

    def __mul__(self, other: Any) -> Expression:
        return _arithmetic("mul", self, other)

    def __rmul__(self, other: Any) -> Expression:
        return _arithmetic("mul", other, self)

    def __truediv__(self, other: Any) -> Expression:
        return _arithmetic("div", self, other)

    def __rtruediv__(self, other: Any) -> Expression:
        return _arithmetic("div", other, self)

    def __mod__(self, other: Any) -> Expression:
        return _arithmetic("mod", self, other)

    def __rmod__(self, other: Any) -> Expression:
        return _arithmetic("mod", other, self)

    def __neg__(self) -> Expression:
        return _negation(self)


class FilterBuilder:
    """What a filter function receives as ``q``."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"q has no {name!r}. A field of the document is q.field({name!r}).", name=name, obj=self
            )

    def __getitem__(self, name: object) -> NoReturn:
        raise TypeError(f"q is not the document: a field of it is q.field({name!r}).")

    def field(self, path: str) -> Expression:
        """A field of the document, by a dotted path; ``UNDEFINED`` where there is none."""
        if not isinstance(path, str) or not path:
            raise InvalidValueError(f'q.field takes the path of a field, like "name" or "address.city"; got {path!r}.')
        return Expression("field", (path,), _field(path))

    def eq(self, left: Any, right: Any) -> Expression:
        """Both sides are equal in the total order."""
        return _comparison("eq", left, right)

    def neq(self, left: Any, right: Any) -> Expression:
        """Both sides differ in the total order."""
        return _comparison("neq", left, right)

    def lt(self, left: Any, right: Any) -> Expression:
        """The left side sorts before the right one."""
        return _comparison("lt", left, right)

    def lte(self, left: Any, right: Any) -> Expression:
        """The left side does not sort after the right one."""
        return _comparison("lte", left, right)

    def gt(self, left: Any, right: Any) -> Expression:
        """The left side sorts after the right one."""
        return _comparison("gt", left, right)

    def gte(self, left: Any, right: Any) -> Expression:
        """The left side does not sort before the right one."""
        return _comparison("gte", left, right)

    def add(self, left: Any, right: Any) -> Expression:
        """The sum of two numbers of one type."""
        return _arithmetic("add", left, right)

    def sub(self, left: Any, right: Any) -> Expression:
        """The difference of two numbers of one type."""
        return _arithmetic("sub", left, right)

    def mul(self, left: Any, right: Any) -> Expression:
        """The product of two numbers of one type."""
        return _arithmetic("mul", left, right)

    def div(self, left: Any, right: Any) -> Expression:
        """The quotient: a float, by IEEE rules; of two ``Int64`` an ``Int64`` cut towards zero."""
        return _arithmetic("div", left, right)

    def mod(self, left: Any, right: Any) -> Expression:
        """The remainder, with the dividend's sign."""
        return _arithmetic("mod", left, right)

    def neg(self, value: Any) -> Expression:
        """The number with its sign turned."""
        return _negation(value)

    def and_(self, *expressions: Any) -> Expression:
        """All are true; true of none at all."""
        return _logic("and", expressions)

    def or_(self, *expressions: Any) -> Expression:
        """At least one is true; false of none at all."""
        return _logic("or", expressions)

    def not_(self, expression: Any) -> Expression:
        """It is false."""
        return _not(expression)


def build_filter(predicate: Callable[[FilterBuilder], Any], *, limit: int, used: int = 0) -> Expression:
    """The expression that a filter function describes.

    Raises ``LimitError`` beyond ``limit`` operators, of which earlier filters of the query have ``used`` some.
    """
    if not callable(predicate):
        raise InvalidValueError(f'filter() takes a function, like `lambda q: q.field("age") > 18`; got {predicate!r}.')
    result = predicate(FilterBuilder())
    if not isinstance(result, (Expression, bool)):
        raise InvalidValueError(
            f'The filter function returned {result!r}: it has to return an expression, like `q.field("age") > 18`.'
        )
    expression = _expression(result)
    used += expression.size
    if used > limit:
        raise LimitError(
            f"The filters of a query may have at most {limit} nested operators, these have {used}. "
            "Filter the documents in Python after reading them.",
            kind="query_operators",
            limit=limit,
            used=used,
        )
    return expression


def matches(expression: Expression, document: Mapping[str, Any]) -> bool:
    """Whether a document passes. Raises ``FilterError`` where the expression is not a boolean for it."""
    result = expression.evaluate(document)
    if result is True or result is False:
        return result
    raise FilterError(
        f"The filter {expression!r} gave {result!r} for a document, which is neither True nor False.",
        operator="filter",
        operands=(result,),
    )


def _expression(value: Any) -> Expression:
    if isinstance(value, Expression):
        return value
    literal = UNDEFINED if value is UNDEFINED else to_value(value)
    return Expression("literal", (literal,), lambda _: literal)


def _field(path: str) -> Evaluate:
    if "." not in path:
        return lambda document: document.get(path, UNDEFINED)
    names = path.split(".")

    def evaluate(document: Mapping[str, Any]) -> Any:
        value: Any = document
        for name in names:
            if not isinstance(value, dict):
                return UNDEFINED
            value = value.get(name, UNDEFINED)
        return value

    return evaluate


_COMPARISONS: dict[str, Callable[[int], bool]] = {
    "eq": lambda order: order == 0,
    "neq": lambda order: order != 0,
    "lt": lambda order: order < 0,
    "lte": lambda order: order <= 0,
    "gt": lambda order: order > 0,
    "gte": lambda order: order >= 0,
}


def _comparison(operator: str, left: Any, right: Any) -> Expression:
    left, right = _expression(left), _expression(right)
    verdict = _COMPARISONS[operator]
    of_left, of_right = left.evaluate, right.evaluate
    return Expression(
        operator, (left, right), lambda document: verdict(compare_values(of_left(document), of_right(document)))
    )


def _logic(operator: str, operands: tuple[Any, ...]) -> Expression:
    expressions = tuple([_expression(operand) for operand in operands])
    stop = operator == "or"

    def evaluate(document: Mapping[str, Any]) -> bool:
        for expression in expressions:
            if _truth(operator, expression.evaluate(document)) is stop:
                return stop
        return not stop

    return Expression(operator, expressions, evaluate)


def _not(operand: Any) -> Expression:
    expression = _expression(operand)
    return Expression("not", (expression,), lambda document: not _truth("not", expression.evaluate(document)))


def _truth(operator: str, value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise FilterError(
        f"q.{operator}_ takes booleans, got {value!r} for a document. Compare first, like q.eq(field, value).",
        operator=operator,
        operands=(value,),
    )


def _arithmetic(operator: str, left: Any, right: Any) -> Expression:
    left, right = _expression(left), _expression(right)
    compute = _ARITHMETIC[operator]

    def evaluate(document: Mapping[str, Any]) -> Any:
        a, b = left.evaluate(document), right.evaluate(document)
        if not _is_number(a) or not _is_number(b) or isinstance(a, Int64) is not isinstance(b, Int64):
            raise FilterError(
                f"q.{operator} takes two numbers or two Int64, got {a!r} and {b!r} for a document. Make sure with a "
                "comparison that the field is there and of that type.",
                operator=operator,
                operands=(a, b),
            )
        return compute(a, b)

    return Expression(operator, (left, right), evaluate)


def _negation(operand: Any) -> Expression:
    expression = _expression(operand)

    def evaluate(document: Mapping[str, Any]) -> Any:
        value = expression.evaluate(document)
        if not _is_number(value):
            raise FilterError(f"q.neg takes a number, got {value!r} for a document.", operator="neg", operands=(value,))
        # Zero has no sign as an int; as the float that it stands for it has.
        return -float(value) if value == 0 and not isinstance(value, Int64) else -value

    return Expression("neg", (expression,), evaluate)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _div(a: Any, b: Any) -> Any:
    if isinstance(a, Int64):
        if b == 0:
            raise FilterError("q.div: an Int64 was divided by zero.", operator="div", operands=(a, b))
        quotient = abs(int(a)) // abs(int(b))
        return Int64(quotient if (a < 0) is (b < 0) else -quotient)
    a, b = float(a), float(b)
    if b:
        return a / b
    return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def _mod(a: Any, b: Any) -> Any:
    if isinstance(a, Int64):
        if b == 0:
            raise FilterError("q.mod: an Int64 was divided by zero.", operator="mod", operands=(a, b))
        remainder = abs(int(a)) % abs(int(b))
        return Int64(remainder if a >= 0 else -remainder)
    if isinstance(a, int) and isinstance(b, int) and b:
        return abs(a) % abs(b) * (1 if a >= 0 else -1)
    a, b = float(a), float(b)
    return math.nan if b == 0 or math.isinf(a) else math.fmod(a, b)


def _number(value: Any) -> Any:
    # A whole number beyond 2**53 is only right as the float that it stands for.
    return float(value) if type(value) is int and abs(value) > 2**53 else value


_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: _number(a + b),
    "sub": lambda a, b: _number(a - b),
    "mul": lambda a, b: _number(a * b),
    "div": _div,
    "mod": _mod,
}
