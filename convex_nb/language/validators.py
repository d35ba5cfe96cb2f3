"""The kinds of validators, and `v`, which builds them. Arguments, results and tables use them alike."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from difflib import get_close_matches
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from convex_nb.language.describing import describe
from convex_nb.language.encoding import to_json
from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.limits import Limits
from convex_nb.language.normalisation import checked_key, to_value
from convex_nb.language.ordering import same_key
from convex_nb.language.validator import Validator
from convex_nb.language.value_types import Id, Int64, Value

__all__ = [
    "AnyValidator",
    "ArrayValidator",
    "BooleanValidator",
    "BytesValidator",
    "IdValidator",
    "Int64Validator",
    "LiteralValidator",
    "NullValidator",
    "NumberValidator",
    "ObjectValidator",
    "RecordValidator",
    "StringValidator",
    "UnionValidator",
    "Validator",
    "WholeNumberValidator",
    "as_field",
    "as_validator",
    "quoted",
    "v",
]


class StringValidator(Validator):
    """Any string."""

    kind = "string"


class NumberValidator(Validator):
    """Any number: `float`, NaN and infinities included, or `int` up to 2**53."""

    kind = "float64"

    @property
    def json(self) -> dict[str, Any]:
        return {"type": "number"}

    def _code(self) -> str:
        return "v.number()"


class WholeNumberValidator(NumberValidator):
    """A number without a fraction, which the handler gets as an `int`: what the annotation `int` means."""


class Int64Validator(Validator):
    """An `Int64`, or a plain `int`, which becomes one; never a `float`."""

    kind = "int64"

    @property
    def json(self) -> dict[str, Any]:
        return {"type": "bigint"}


class BooleanValidator(Validator):
    """True or False."""

    kind = "boolean"


class NullValidator(Validator):
    """None."""

    kind = "null"


class BytesValidator(Validator):
    """Bytes."""

    kind = "bytes"


class AnyValidator(Validator):
    """Any value."""

    kind = "any"


class IdValidator(Validator):
    """An id of a document of `table_name`, whether or not that document exists."""

    kind = "id"
    table_name: str

    def __init__(self, table_name: str) -> None:
        if not isinstance(table_name, str) or not table_name:
            raise SchemaDefinitionError(f"v.id takes a table's name, not {table_name!r}.")
        self.__dict__["table_name"] = str(table_name)

    @property
    def json(self) -> dict[str, Any]:
        return {"type": "id", "tableName": self.table_name}

    def _code(self) -> str:
        return f"v.id({quoted(self.table_name)})"

    def _identity(self) -> Hashable:
        return self.table_name


class LiteralValidator(Validator):
    """Exactly `value`, a string, number, boolean or Int64, by the total order: `v.literal(1)` takes `1.0`, not True."""

    kind = "literal"
    value: Value

    def __init__(self, value: object) -> None:
        literal = to_value(value)
        if type(literal) is Id:
            literal = str(literal)
        if type(literal) not in (str, int, float, bool, Int64):
            raise SchemaDefinitionError(
                f"v.literal takes a string, a number, a boolean or an Int64, not {describe(value, 80)}."
                + (" Write v.null()." if value is None else "")
            )
        self.__dict__["value"] = literal

    @property
    def json(self) -> dict[str, Any]:
        return {"type": "literal", "value": to_json(self.value)}

    def _code(self) -> str:
        if isinstance(self.value, str):
            return f"v.literal({quoted(self.value)})"
        if type(self.value) is float and (self.value != self.value or self.value in (float("inf"), float("-inf"))):
            return f"v.literal(float({str(self.value)!r}))"
        return f"v.literal({self.value!r})"

    def _identity(self) -> Hashable:
        return same_key(float(self.value) if type(self.value) is int else self.value)


class ArrayValidator(Validator):
    """An array whose elements all fit `element`."""

    kind = "array"
    element: Validator

    def __init__(self, element: Validator) -> None:
        self.__dict__["element"] = _required(element, "v.array", "its element")
        self._nest((element,))

    @property
    def json(self) -> dict[str, Any]:
        return {"type": "array", "value": self.element.json}

    def _code(self) -> str:
        return f"v.array({self.element.to_code()})"

    def _identity(self) -> Hashable:
        return self.element

    def children(self) -> tuple[Validator, ...]:
        return (self.element,)


class ObjectValidator(Validator):
    """An object with exactly these `fields`; optional ones may be missing."""

    kind = "object"
    fields: Mapping[str, Validator]

    def __init__(self, fields: Mapping[str, Validator]) -> None:
        if isinstance(fields, Validator) or not isinstance(fields, Mapping):
            raise SchemaDefinitionError(f"v.object takes a dict of validators, not {describe(fields, 80)}.")
        most = Limits.convex().object_fields
        if len(fields) > most:
            raise SchemaDefinitionError(f"An object validator has {len(fields)} fields; at most {most} are allowed.")
        checked: dict[str, Validator] = {}
        for name, field in fields.items():
            try:
                name = checked_key(name)
            except ValueError as error:
                raise SchemaDefinitionError(f"v.object: {error}", field=str(name)) from None
            checked[name] = as_field(field, name)
        self.__dict__["fields"] = MappingProxyType(checked)
        self._nest(tuple(checked.values()))

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "fields": dict(self.fields)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, fields=MappingProxyType(state["fields"]))

    @property
    def json(self) -> dict[str, Any]:
        return {
            "type": "object",
            "value": {
                name: {"fieldType": field.json, "optional": field.is_optional} for name, field in self.fields.items()
            },
        }

    def _code(self) -> str:
        entries = ", ".join(f"{quoted(name)}: {field.to_code()}" for name, field in self.fields.items())
        return f"v.object({{{entries}}})"

    def _identity(self) -> Hashable:
        return frozenset(self.fields.items())

    def children(self) -> tuple[Validator, ...]:
        return tuple(self.fields.values())

    def _known(self, names: tuple[str, ...], method: str) -> None:
        for name in names:
            if not isinstance(name, str):
                raise SchemaDefinitionError(f'{method} takes names of fields, as in {method}("a", "b"), not {name!r}.')
            if name not in self.fields:
                raise SchemaDefinitionError(
                    f"{method}: the object has no field {quoted(name)}; it has {', '.join(self.fields) or 'none'}.",
                    field=name,
                )

    def pick(self, *names: str) -> ObjectValidator:
        """Return an object validator with only these fields."""
        self._known(names, "pick")
        return ObjectValidator({name: field for name, field in self.fields.items() if name in names})

    def omit(self, *names: str) -> ObjectValidator:
        """Return an object validator without these fields."""
        self._known(names, "omit")
        return ObjectValidator({name: field for name, field in self.fields.items() if name not in names})

    def extend(self, fields: Mapping[str, Validator] | ObjectValidator) -> ObjectValidator:
        """Return an object validator with these fields added or put in place of the old ones."""
        if not isinstance(fields, (Mapping, ObjectValidator)):
            raise SchemaDefinitionError(f"extend takes a dict of validators, or v.object(...), not {fields!r}.")
        return ObjectValidator({**self.fields, **(fields if isinstance(fields, Mapping) else fields.fields)})

    def partial(self) -> ObjectValidator:
        """Return an object validator whose fields are all optional."""
        return ObjectValidator({name: field.as_optional() for name, field in self.fields.items()})


class RecordValidator(Validator):
    """An object with any keys that fit `key` and values that fit `value`."""

    kind = "record"
    key: Validator
    value: Validator

    def __init__(self, key: Validator, value: Validator) -> None:
        _required(key, "v.record", "its keys")
        for part in key.members if isinstance(key, UnionValidator) else (key,):
            if isinstance(part, LiteralValidator):
                raise SchemaDefinitionError(
                    "v.record cannot have literals as keys: write v.object with those fields, optional if need be."
                )
            if not isinstance(part, (StringValidator, IdValidator)):
                raise SchemaDefinitionError(
                    f"v.record takes v.string(), v.id() or a union of them as keys, not {key!r}."
                )
        self.__dict__["key"] = key
        self.__dict__["value"] = _required(value, "v.record", "its values")
        self._nest((value,))

    @property
    def json(self) -> dict[str, Any]:
        return {"type": "record", "keys": self.key.json, "values": {"fieldType": self.value.json, "optional": False}}

    def _code(self) -> str:
        return f"v.record({self.key.to_code()}, {self.value.to_code()})"

    def _identity(self) -> Hashable:
        return self.key, self.value

    def children(self) -> tuple[Validator, ...]:
        return self.key, self.value


class UnionValidator(Validator):
    """A value that fits any of `members`; unions inside it are flattened."""

    kind = "union"
    members: tuple[Validator, ...]

    def __init__(self, *members: Validator) -> None:
        flat: list[Validator] = []
        for member in members:
            _required(member, "v.union", "its members")
            flat.extend(member.members if isinstance(member, UnionValidator) else (member,))
        self.__dict__["members"] = tuple(flat)
        self.__dict__["levels"] = max((member.levels for member in flat), default=0)

    @property
    def json(self) -> dict[str, Any]:
        return {"type": "union", "value": [member.json for member in self.members]}

    def _code(self) -> str:
        if len(self.members) == 2 and isinstance(self.members[1], NullValidator):
            return f"v.nullable({self.members[0].to_code()})"
        return f"v.union({', '.join(member.to_code() for member in self.members)})"

    def _identity(self) -> Hashable:
        return self.members

    def children(self) -> tuple[Validator, ...]:
        return self.members


def quoted(text: str) -> str:
    """Return `text` as a Python literal in double quotes, as people write it."""
    # With both quotes inside, `repr` uses single ones outside and escapes only those.
    body = repr(text + "'\"")[1:-4].replace("\\'", "'")
    return '"' + body.replace('"', '\\"') + '"'


def as_field(field: object, name: str) -> Validator:
    """Return `field` if it is a validator, or raise `SchemaDefinitionError` naming the field."""
    if isinstance(field, Validator):
        return field
    if isinstance(field, dict):
        hint = " Write v.object({...})."
    elif isinstance(field, type) or callable(field):
        hint = " Write a validator, e.g. v.string(), and call it."
    elif field is None:
        hint = " Is it defined after its use, or in a module that imports this one?"
    else:
        hint = ""
    raise SchemaDefinitionError(f"Field {quoted(name)} is {describe(field, 80)}, not a validator.{hint}", field=name)


def _required(validator: object, where: str, what: str) -> Validator:
    if not isinstance(validator, Validator):
        raise SchemaDefinitionError(f"{where} takes validators; {what} got {describe(validator, 80)}.")
    if validator.is_optional:
        raise SchemaDefinitionError(
            f"v.optional is for fields of objects; {where} cannot have it as {what}. Write v.nullable(...)?"
        )
    return validator


def as_validator(source: object) -> Validator:
    """Return a validator as it is, and a dict of validators as an object validator."""
    if isinstance(source, Validator):
        return source
    if isinstance(source, Mapping):
        return ObjectValidator(source)
    raise SchemaDefinitionError(f"Expected a validator or a dict of validators, got {describe(source, 80)}.")


class _Builder:
    """The namespace `v`: one method per validator."""

    string: Callable[[], StringValidator] = staticmethod(StringValidator)
    number: Callable[[], NumberValidator] = staticmethod(NumberValidator)
    float64: Callable[[], NumberValidator] = staticmethod(NumberValidator)
    int64: Callable[[], Int64Validator] = staticmethod(Int64Validator)
    bigint: Callable[[], Int64Validator] = staticmethod(Int64Validator)
    boolean: Callable[[], BooleanValidator] = staticmethod(BooleanValidator)
    null: Callable[[], NullValidator] = staticmethod(NullValidator)
    bytes: Callable[[], BytesValidator] = staticmethod(BytesValidator)
    any: Callable[[], AnyValidator] = staticmethod(AnyValidator)
    id: Callable[[str], IdValidator] = staticmethod(IdValidator)
    array: Callable[[Validator], ArrayValidator] = staticmethod(ArrayValidator)
    object: Callable[[Mapping[str, Validator]], ObjectValidator] = staticmethod(ObjectValidator)
    record: Callable[[Validator, Validator], RecordValidator] = staticmethod(RecordValidator)
    union: Callable[..., UnionValidator] = staticmethod(UnionValidator)
    literal: Callable[[Any], LiteralValidator] = staticmethod(LiteralValidator)

    @staticmethod
    def optional(validator: Validator) -> Validator:
        """Return `validator` for a field that may be missing. An explicit None still has to fit `validator`."""
        if not isinstance(validator, Validator):
            raise SchemaDefinitionError(f"v.optional takes a validator, not {describe(validator, 80)}.")
        return validator.as_optional()

    @staticmethod
    def nullable(validator: Validator) -> UnionValidator:
        """Return a validator of `validator`'s values and None."""
        return UnionValidator(validator, NullValidator())

    @staticmethod
    def from_json(form: Mapping[str, Any]) -> Validator:
        """Return the validator whose `.json` is `form`. Raises `SchemaDefinitionError`."""
        from convex_nb.language.validator_json import validator_from_json

        return validator_from_json(form)

    def __repr__(self) -> str:
        return "v"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            known = [each for each in vars(_Builder) if not each.startswith("_")]
            near = [_PYTHON[name]] if name in _PYTHON else get_close_matches(name, known, n=1)
            hint = f" Did you mean `v.{near[0]}`?" if near else f" There are {', '.join(known)}."
            raise AttributeError(f"v has no {name!r}.{hint}", name=name, obj=self)


_PYTHON = {"str": "string", "int": "number", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
"""What the types of Python are called here."""

v = _Builder()
