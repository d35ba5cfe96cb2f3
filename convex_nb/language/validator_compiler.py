"""A validator as one generated function that validates and normalises in a single pass.

The function returns the normalised value or raises. The plain case is a chain of type tests; whatever
else comes is handed to `validator_checks`, and only there is a path put together. The document form also keeps to the
limits of what is stored: nesting, array lengths, size.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from typing import Any, NamedTuple, Protocol, TypeAlias

from convex_nb.language import validator_checks as checks
from convex_nb.language.describing import shorten
from convex_nb.language.document_validation import check_size, to_document_fields
from convex_nb.language.documents import Document, ReadOnlyList
from convex_nb.language.errors import SchemaValidationError, ValidationError
from convex_nb.language.limits import Limits
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
from convex_nb.language.value_types import NUMBER_MOST, UNDEFINED, Id, Int64, Value
from convex_nb.language.values import size_of


class Check(Protocol):
    """What `Validator.validate` is once it is compiled; `path` is where the value sits."""

    __name__: str

    def __call__(self, x: Any, tables: Mapping[int, str] | None = None, path: str = "") -> Value: ...


class DocumentCheck(Protocol):
    """What `TableDefinition.validate` is once it is compiled."""

    def __call__(
        self, fields: Mapping[str, Any], *, table_name: str, tables: Mapping[int, str] | None = None
    ) -> dict[str, Value]: ...


_LIMITS = Limits.convex()
_INLINE_LEVELS = 3
_LONGEST_ID = 37 + 2
_HELPERS = (
    "any_value as_array as_boolean as_bytes as_id as_int64 as_literal as_null as_number as_object as_string "
    "as_whole_number check_key is_plain_array drop_undefined missing refused too_deep union_member wrong_length"
)
_SCOPE: dict[str, Any] = {
    **{name: getattr(checks, name) for name in _HELPERS.split()},
    "Document": Document,
    "Id": Id,
    "Int64": Int64,
    "ReadOnlyList": ReadOnlyList,
    "SchemaValidationError": SchemaValidationError,
    "UNDEFINED": UNDEFINED,
    "ValidationError": ValidationError,
    "check_size": check_size,
    "size_of": size_of,
}
_WHOLE = "type({x}) is int and -" + f"{NUMBER_MOST} <= {{x}} <= {NUMBER_MOST}"
# For each atom: the test of a value that needs no normalising, and the function for every other value.
_ATOMS: dict[type[Validator], tuple[str, str]] = {
    StringValidator: ("type({x}) is str and {x}.isascii()", "as_string"),
    NumberValidator: ("type({x}) is float or " + _WHOLE, "as_number"),
    WholeNumberValidator: (_WHOLE, "as_whole_number"),
    Int64Validator: ("type({x}) is Int64", "as_int64"),
    BooleanValidator: ("{x} is True or {x} is False", "as_boolean"),
    NullValidator: ("{x} is None", "as_null"),
    BytesValidator: ("type({x}) is bytes", "as_bytes"),
}


def compile_validator(validator: Validator) -> Check:
    """Return the generated check of `validator`."""
    return _Source(document=False).function(validator, 0)


def compile_document_check(validator: Validator) -> DocumentCheck:
    """Return the generated check of the documents of a table, for `TableDefinition.validate`."""
    if isinstance(validator, AnyValidator):
        return _check_any_document
    return _Source(document=True).document_function(validator)


def _check_any_document(fields: Mapping[str, Any], **_: object) -> dict[str, Value]:
    return to_document_fields(fields)


class _Spot(NamedTuple):
    """Where code is being written: which variable it is to check, and where that variable's value sits."""

    x: str
    path: str = ""
    """The way from the function's own argument to the value, as the inside of an f-string."""
    indent: int = 1
    depth: int = 0
    """How many containers are around the value."""
    level: int = 0
    """How many of them the function being written opens itself."""

    @property
    def place(self) -> str:
        """The expression of the value's whole path."""
        return f'f"{{path}}{self.path}"' if self.path else "path"

    def indented(self, by: int = 1) -> _Spot:
        """Return the same spot in a block further in."""
        return self._replace(indent=self.indent + by)

    def inside(self, x: str, step: str) -> _Spot:
        """Return the spot of a part of the value, `step` away."""
        return _Spot(x, self.path + step, self.indent, self.depth + 1, self.level + 1)


Fields: TypeAlias = list[tuple[str, Validator, str]]
"""The name and validator of each field of an object, and the variable that holds it."""


class _Source:
    """The text of the functions of one validator, and the objects that the text refers to."""

    def __init__(self, document: bool) -> None:
        self.document = document
        self.lines: list[str] = []
        self.names = 0
        self.scope = dict(_SCOPE)

    def function(self, validator: Validator, depth: int) -> Check:
        """Compile `validator`, found `depth` containers below the top, into a function of its own."""
        outer, self.lines = self.lines, []
        name = self.name("check")
        self.add(0, f"def {name}(x, tables=None, path=''):")
        self.emit(validator, _Spot("x", depth=depth))
        self.add(1, "return x")
        text, self.lines = "\n".join(self.lines), outer
        return self.define(name, text, validator)  # type: ignore[no-any-return]

    def document_function(self, validator: Validator) -> DocumentCheck:
        """Compile the documents' validator into a function with the signature of `TableDefinition.validate`."""
        self.add(0, "def validate(fields, *, table_name, tables=None):")
        self.add(1, "x, path = fields, ''")
        self.add(1, "try:")
        fields = self.emit(validator, _Spot("x", indent=2))
        self.add(1, "except ValidationError as error:")
        self.add(2, "raise error.as_type(SchemaValidationError, table_name) from None")
        self.add(1, f"if {_may_be_too_large(fields) if fields else True}:")
        self.add(2, "check_size(x)")
        self.add(1, "return x")
        return self.define("validate", "\n".join(self.lines), validator)  # type: ignore[no-any-return]

    def define(self, name: str, text: str, validator: Validator) -> Any:
        exec(compile(text, f"<{shorten(validator.to_code(), 60)}>", "exec"), self.scope)
        return self.scope[name]

    def name(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def constant(self, value: object, prefix: str) -> str:
        name = self.name(prefix)
        self.scope[name] = value
        return name

    def add(self, indent: int, line: str) -> None:
        self.lines.append("    " * indent + line)

    def emit(self, validator: Validator, spot: _Spot, *, absent: str = "", store: str = "") -> Fields:
        """Write code that checks `spot.x` against `validator` and leaves the normalised value in it.

        `absent` is the statement for a value that is `UNDEFINED`, `store` the one that puts a normalised value where
        the given one was. Returns the fields of an object, otherwise nothing.
        """
        fields: Fields = []
        x, place = spot.x, spot.place
        itself = self.constant(validator, "V")
        test = _plain_test(validator, x)
        if test:
            self.add(spot.indent, f"if not ({test}):")
            spot = spot.indented()
        if absent:
            self.add(spot.indent, f"if {x} is UNDEFINED:")
            self.add(spot.indent + 1, absent)
        match validator:
            case AnyValidator():
                self.add(spot.indent, f"{x} = any_value({x}, {place}, {spot.depth}, {self.document})")
            case LiteralValidator():
                self.add(spot.indent, f"{x} = as_literal({x}, {itself}, {place})")
            case IdValidator():
                self.add(spot.indent, f"{x} = as_id({x}, {itself}, {place}, tables)")
            case UnionValidator():
                self.union(validator, spot, itself)
            case ArrayValidator() | RecordValidator() | ObjectValidator():
                if self.document and spot.depth >= _LIMITS.document_nesting:
                    self.add(spot.indent, f"raise too_deep({x}, {itself}, {place})")
                elif spot.level >= _INLINE_LEVELS:
                    # Python allows 20 nested blocks, and a path is shorter to pass on than to write out.
                    check = self.function(validator, spot.depth)
                    self.add(spot.indent, f"{x} = {check.__name__}({x}, tables, {place})")
                elif isinstance(validator, ArrayValidator):
                    self.array(validator, spot, itself)
                elif isinstance(validator, RecordValidator):
                    self.record(validator, spot, itself)
                else:
                    fields = self.object(validator, spot, itself)
            case _:
                self.add(spot.indent, f"{x} = {_ATOMS[type(validator)][1]}({x}, {itself}, {place})")
        if store:
            self.add(spot.indent, store)
        return fields

    def object(self, validator: ObjectValidator, spot: _Spot, itself: str) -> Fields:
        x, indent = spot.x, spot.indent
        given, count = self.name("given"), self.name("n")
        fields = [(name, field, self.name("f")) for name, field in validator.fields.items()]
        required = [(name, local) for name, field, local in fields if not field.is_optional]
        absent = f"raise missing({given}, {itself}, {spot.place}) from None"
        self.add(indent, f"{given} = {x} if type({x}) is dict else as_object({x}, {itself}, {spot.place})")
        # A copy that keeps the fields which are plain is the cheapest normalised object.
        self.add(indent, f"{x} = {given}.copy()")
        if required:
            # One call reads them all, in C.
            read = self.constant(itemgetter(*(name for name, _ in required)), "G")
            self.add(indent, "try:")
            self.add(indent + 1, f"{', '.join(local for _, local in required)} = {read}({given})")
            self.add(indent, "except KeyError:")
            self.add(indent + 1, absent)
        if len(required) < len(fields):
            self.add(indent, f"{count} = {len(required)}")
        for name, field, local in fields:
            part, store = spot.inside(local, f".{_in_f_string(name)}"), f"{x}[{name!r}] = {local}"
            if field.is_optional:
                self.add(indent, f"{local} = {given}.get({name!r}, UNDEFINED)")
                self.add(indent, f"if {local} is not UNDEFINED:")
                self.add(indent + 1, f"{count} += 1")
                self.emit(field, part.indented(), store=store)
            else:
                self.emit(field, part, absent=absent, store=store)
        self.add(indent, f"if len({x}) != {count if len(required) < len(fields) else len(fields)}:")
        self.add(indent + 1, f"drop_undefined({x}, {given}, {itself}, {spot.place})")
        self.keep_read_only(validator, spot, given, "Document")
        return fields

    def array(self, validator: ArrayValidator, spot: _Spot, itself: str) -> None:
        element, x, indent = validator.element, spot.x, spot.indent
        given, index, item = self.name("given"), self.name("i"), self.name("e")
        self.add(indent, f"{given} = {x} if type({x}) is list else as_array({x}, {itself}, {spot.place})")
        if self.document:
            self.add(indent, f"if len({given}) > {_LIMITS.array_elements}:")
            self.add(indent + 1, f"raise wrong_length({given}, {itself}, {spot.place})")
        if isinstance(element, AnyValidator):
            self.add(indent, f"{x} = any_value({given}, {spot.place}, {spot.depth}, {self.document})")
            return
        loop = spot
        plain = checks.plain_types(element)
        if plain:
            self.add(indent, f"if is_plain_array({given}, {self.constant(plain, 'T')}):")
            self.add(indent + 1, f"{x} = list({given})")
            self.add(indent, "else:")
            loop = spot.indented()
        self.add(loop.indent, f"{x} = []")
        self.add(loop.indent, f"for {index}, {item} in enumerate({given}):")
        self.emit(element, loop.inside(item, f"[{{{index}}}]").indented())
        self.add(loop.indent + 1, f"{x}.append({item})")
        self.keep_read_only(validator, spot, given, "ReadOnlyList")

    def record(self, validator: RecordValidator, spot: _Spot, itself: str) -> None:
        x, indent = spot.x, spot.indent
        given, key, item = self.name("given"), self.name("k"), self.name("e")
        self.add(indent, f"{given} = {x} if type({x}) is dict else as_object({x}, {itself}, {spot.place})")
        self.add(indent, f"if len({given}) > {_LIMITS.object_fields}:")
        self.add(indent + 1, f"raise wrong_length({given}, {itself}, {spot.place})")
        self.add(indent, f"{x} = {{}}")
        self.add(indent, f"for {key}, {item} in {given}.items():")
        self.add(indent + 1, f"if {item} is UNDEFINED:")
        self.add(indent + 2, "continue")
        self.add(indent + 1, f"{key} = check_key({key}, {spot.place})")
        if not isinstance(validator.key, StringValidator):
            self.emit(validator.key, spot.inside(key, f".{{{key}}}").indented())
        self.emit(validator.value, spot.inside(item, f".{{{key}}}").indented())
        self.add(indent + 1, f"{x}[{key}] = {item}")
        self.keep_read_only(validator, spot, given, "Document")

    def keep_read_only(self, validator: Validator, spot: _Spot, given: str, kind: str) -> None:
        """Let what is read-only, and so normalised already, stay itself unless `validator` converts something in it."""
        if not checks.converts(validator):
            self.add(spot.indent, f"if type({given}) is {kind}:")
            self.add(spot.indent + 1, f"{spot.x} = {given}")

    def union(self, validator: UnionValidator, spot: _Spot, itself: str) -> None:
        shaped = [member for member in validator.members if not isinstance(member, NullValidator)]
        if len(shaped) == 1 and type(shaped[0]) in _ATOMS:
            self.add(spot.indent, f"{spot.x} = {_ATOMS[type(shaped[0])][1]}({spot.x}, {itself}, {spot.place})")
            return
        if len(shaped) == 1:
            # Of a nullable value, say what is wrong inside it.
            self.emit(shaped[0], spot)
            return
        members = self.constant([(member, self.function(member, spot.depth)) for member in validator.members], "M")
        self.add(spot.indent, f"{spot.x} = union_member({spot.x}, {members}, {itself}, {spot.place}, tables)")


def _in_f_string(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}")


def _plain_test(validator: Validator, x: str) -> str:
    """Return a test that only values hold for which fit as they are, or "" where there is no short one."""
    match validator:
        case UnionValidator(members=members):
            return " or ".join(filter(None, (_plain_test(member, x) for member in members)))
        case AnyValidator():
            return f"type({x}) is float or {x} is None or {x} is True or {x} is False"
        case LiteralValidator(value=str() as text):
            return f"type({x}) is str and {x} == {text!r}"
        case LiteralValidator(value=bool() as truth):
            return f"{x} is {truth!r}"
        case LiteralValidator(value=Int64() as number):
            return f"type({x}) is Int64 and {x} == {int(number)}"
        case LiteralValidator(value=number) if number and abs(number) <= NUMBER_MOST:
            return f"(type({x}) is float or type({x}) is int) and {x} == {number!r}"
        case _ if type(validator) in _ATOMS:
            return _ATOMS[type(validator)][0].format(x=x)
        case _:
            return ""


def _may_be_too_large(fields: Fields) -> str:
    """Return a test that is quick if `fields` are flat, and holds for every document of them above the size limit."""
    room = _LIMITS.document_bytes - 2
    lengths: list[str] = []
    sizes: list[str] = []
    for name, field, local in fields:
        room -= len(name) + 1
        members = field.members if isinstance(field, UnionValidator) else (field,)
        if not all(isinstance(member, (StringValidator, *_SMALL)) for member in members):
            sizes.append(
                f"({local} is not UNDEFINED and size_of({local}))" if field.is_optional else f"size_of({local})"
            )
            continue
        room -= _LONGEST_ID
        if isinstance(field, StringValidator) and not field.is_optional:
            lengths.append(f"len({local})")
        elif not all(isinstance(member, _SMALL) for member in members):
            lengths.append(f"(isinstance({local}, str) and len({local}))")
    if not sizes:
        # A character has at most four bytes.
        return f"{_sum(lengths)} > {room // 4}" if lengths else f"{room < 0}"
    return f"{_sum([*sizes, *(f'4 * {length}' for length in lengths)])} > {room}"


def _sum(terms: list[str]) -> str:
    # A chain of hundreds of operators is deeper than Python's parser goes.
    return " + ".join(terms) if len(terms) <= 50 else f"sum(({', '.join(terms)}))"


_SMALL = (NumberValidator, Int64Validator, BooleanValidator, NullValidator, IdValidator)
