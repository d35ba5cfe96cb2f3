"""Validators from Python annotations: of a function's parameters, of a `TypedDict`, of a dataclass."""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ForwardRef, Literal, NewType, Union, get_args, get_origin

from convex_nb.language.describing import shorten
from convex_nb.language.errors import SchemaDefinitionError
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
)
from convex_nb.language.value_types import Id, Int64, TableName

_ATOMS: dict[Any, Callable[[], Validator]] = {
    str: StringValidator,
    Id: StringValidator,
    float: NumberValidator,
    int: WholeNumberValidator,
    Int64: Int64Validator,
    bool: BooleanValidator,
    bytes: BytesValidator,
    None: NullValidator,
    type(None): NullValidator,
    Any: AnyValidator,
    object: AnyValidator,
    inspect.Parameter.empty: AnyValidator,
    list: lambda: ArrayValidator(AnyValidator()),
    tuple: lambda: ArrayValidator(AnyValidator()),
    dict: lambda: RecordValidator(StringValidator(), AnyValidator()),
}
_ARRAYS = (list, tuple, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Iterable)
_RECORDS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


def validators_of_signature(function: Callable[..., Any]) -> Validator:
    """Return the validator of a handler's arguments, which its parameters after the first (the context) describe.

    A default makes an argument optional, an unannotated one is `v.any()`, and `**arguments` lets any argument pass.
    Raises `SchemaDefinitionError` naming the parameter whose annotation is not a type of values.
    """
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].kind in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD):
        raise SchemaDefinitionError(f"{_name(function)} takes no context: its first parameter is `ctx`.")
    if parameters[0].kind is inspect.Parameter.VAR_POSITIONAL:
        raise SchemaDefinitionError(f"{_name(function)} takes *args: name its context and its arguments.{_WRAPS}")
    scope = getattr(inspect.unwrap(function), "__globals__", {})
    fields: dict[str, Validator] = {}
    for parameter in parameters[1:]:
        where = f"parameter `{parameter.name}` of {_name(function)}"
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            return AnyValidator()
        if parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY):
            raise SchemaDefinitionError(
                f"The {where} cannot be passed by name, as every argument is.{_WRAPS}", field=parameter.name
            )
        try:
            field = validator_of_annotation(parameter.annotation, scope)
        except SchemaDefinitionError as error:
            raise SchemaDefinitionError(f"The {where}: {error}", field=parameter.name) from None
        fields[parameter.name] = field if parameter.default is inspect.Parameter.empty else field.as_optional()
    return ObjectValidator(fields)


_WRAPS = " If a decorator made it, write `@functools.wraps(function)` there: it keeps the parameters."


def _name(function: Callable[..., Any]) -> str:
    return f"`{getattr(function, '__qualname__', repr(function))}`"


def validator_of_annotation(annotation: Any, scope: Mapping[str, Any] | None = None) -> Validator:
    """Return the validator of one annotation; `scope` resolves the names of annotations that are text."""
    return _Reader(dict(scope or {}), ()).read(annotation)


@dataclasses.dataclass(frozen=True)
class _Reader:
    """Reads annotations where certain names are in scope, inside the classes that are being read already."""

    scope: dict[str, Any]
    inside: tuple[type, ...]

    def read(self, annotation: Any) -> Validator:
        if isinstance(annotation, Validator):
            return annotation
        if isinstance(annotation, (str, ForwardRef)):
            return self.read(self.evaluate(annotation))
        atom = _ATOMS.get(annotation) if isinstance(annotation, collections.abc.Hashable) else None
        if atom is not None:
            return atom()
        if isinstance(annotation, NewType):
            return self.read(annotation.__supertype__)
        if hasattr(annotation, "__value__"):
            # The alias of a `type` statement.
            return self.read(annotation.__value__)
        origin, arguments = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            return self.annotated(arguments)
        if origin is Literal:
            return _union([NullValidator() if value is None else LiteralValidator(value) for value in arguments])
        if origin is Union or origin is types.UnionType:
            return _union([self.read(argument) for argument in arguments])
        if origin in (typing.Required, typing.NotRequired, getattr(typing, "ReadOnly", None)) and arguments:
            return self.read(arguments[0])
        if origin in _ARRAYS:
            return self.array(annotation, arguments)
        if origin in _RECORDS:
            return RecordValidator(self.read(arguments[0]), self.read(arguments[1]))
        if typing.is_typeddict(annotation) or dataclasses.is_dataclass(annotation):
            return self.shape(annotation)
        raise SchemaDefinitionError(
            f"{shorten(_shown(annotation), 80)} is not a type of Convex values.{_hint(annotation)} Use str, float, "
            'int, Int64, bool, bytes, list[T], dict[str, T], T | None, Literal[...], Id["table"], a TypedDict, a '
            "dataclass or a validator."
        )

    def evaluate(self, annotation: str | ForwardRef) -> Any:
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        try:
            return eval(text, self.scope)
        except Exception as error:
            raise SchemaDefinitionError(
                f"the annotation {text!r} cannot be evaluated ({type(error).__name__}: {error}); define its names in "
                "the module or the notebook before the function, or write `args={...}`."
            ) from None

    def annotated(self, arguments: tuple[Any, ...]) -> Validator:
        for extra in arguments[1:]:
            if isinstance(extra, Validator):
                return extra
            if isinstance(extra, TableName):
                return IdValidator(extra)
        return self.read(arguments[0])

    def array(self, annotation: Any, arguments: tuple[Any, ...]) -> Validator:
        elements = [argument for argument in arguments if argument is not Ellipsis]
        if len(elements) != 1:
            raise SchemaDefinitionError(f"{_shown(annotation)} has a fixed shape; write list[T] or tuple[T, ...].")
        return ArrayValidator(self.read(elements[0]))

    def shape(self, described: type) -> ObjectValidator:
        if described in self.inside:
            raise SchemaDefinitionError(f"{described.__name__} contains itself; validators cannot be recursive.")
        scope = {**self.scope, **getattr(inspect.getmodule(described), "__dict__", {}), described.__name__: described}
        reader = _Reader(scope, (*self.inside, described))
        fields: dict[str, Validator] = {}
        for name, annotation, optional in _members(described, reader):
            try:
                fields[name] = reader.read(annotation).as_optional(optional)
            except SchemaDefinitionError as error:
                raise SchemaDefinitionError(f"field {name!r} of {described.__name__}: {error}", field=name) from None
        return ObjectValidator(fields)


def _members(described: Any, reader: _Reader) -> list[tuple[str, Any, bool]]:
    """Return the name, annotation and optionality of each field of a `TypedDict` or dataclass."""
    if dataclasses.is_dataclass(described):
        return [
            (
                field.name,
                field.type,
                field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING,
            )
            for field in dataclasses.fields(described)
        ]
    members = []
    for name, annotation in described.__annotations__.items():
        if isinstance(annotation, (str, ForwardRef)):
            annotation = reader.evaluate(annotation)
        # Under `from __future__ import annotations` the class itself cannot know what Required and NotRequired say.
        marker = get_origin(annotation)
        optional = name in described.__optional_keys__ and marker is not typing.Required
        optional = optional or marker is typing.NotRequired
        members.append((name, annotation, optional))
    return members


def _union(members: list[Validator]) -> Validator:
    distinct = list(dict.fromkeys(members))
    return distinct[0] if len(distinct) == 1 else UnionValidator(*distinct)


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) and get_origin(annotation) is None else repr(annotation)


def _hint(annotation: Any) -> str:
    name = getattr(annotation, "__name__", "")
    if name in ("datetime", "date", "time", "Timestamp"):
        return " Times are milliseconds (float) or ISO text (str)."
    if name in ("set", "frozenset", "Set"):
        return " Use list[T]."
    if name in ("Decimal", "Fraction"):
        return " Use float, or str to keep every digit."
    return ""
