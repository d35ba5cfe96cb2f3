"""A validator as one generated function that validates and normalises in a single pass.

`check(value, tables, path)` returns the normalised value or raises. Only failing branches build a path. In the
document form the limits of stored documents (nesting, array length) are checked on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from convex_nb.language import validator_checks as checks
from convex_nb.language.documents import Document, ReadOnlyList
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
from convex_nb.language.values import NUMBER_MOST, UNDEFINED, Id, Int64, Value

Check: TypeAlias = Callable[[Any, Mapping[int, str] | None, str], Value]

_LIMITS = Limits.convex()
_INLINE_LEVELS = 3
_ATOMS = (
    StringValidator,
    NumberValidator,
    Int64Validator,
    BooleanValidator,
    NullValidator,
    BytesValidator,
    LiteralValidator,
)


def compile_validator(validator: Validator, *, document: bool = False) -> Check:
    """Return the generated check of `validator`; `document` adds the limits of stored documents."""
    source = _Source(document)
    return source.function(validator, 0)


class _Source:
    """The text of the functions of one validator, and the objects that they refer to."""

    def __init__(self, document: bool) -> None:
        self.document = document
        self.lines: list[str] = []
        self.counter = 0
        self.scope: dict[str, Any] = {
            name: getattr(checks, name)
            for name in (
                "any_array any_value as_array as_boolean as_bytes as_id as_int64 as_literal as_number as_object as_string as_whole_number "
                "check_key id_table is_plain_array missing refused too_deep unexpected union_member wrong_length"
            ).split()
        }
        self.scope.update(Document=Document, Id=Id, Int64=Int64, ReadOnlyList=ReadOnlyList, UNDEFINED=UNDEFINED)

    def function(self, validator: Validator, depth: int) -> Check:
        """Compile `validator`, found `depth` containers below the top, into a function of its own."""
        outer, self.lines = self.lines, []
        name = self.name("check")
        self.add(0, f"def {name}(x, tables, path):")
        self.emit(validator, "x", "", 1, depth, 0)
        self.add(1, "return x")
        text = "\n".join(self.lines)
        self.lines = outer
        exec(compile(text, f"<{validator.to_code()[:60]}>", "exec"), self.scope)
        return self.scope[name]  # type: ignore[no-any-return]

    def name(self, prefix: str) -> str:
        self.counter += 1
        return f"{prefix}{self.counter}"

    def constant(self, value: object, prefix: str = "V") -> str:
        name = self.name(prefix)
        self.scope[name] = value
        return name

    def add(self, indent: int, line: str) -> None:
        self.lines.append("    " * indent + line)

    @staticmethod
    def place(path: str) -> str:
        """Return the expression of a path: the caller's, then the constant and variable steps inside this function."""
        return f'f"{{path}}{path}"' if path else "path"

    def emit(self, validator: Validator, x: str, path: str, indent: int, depth: int, level: int) -> None:
        """Write code that checks variable `x` against `validator` and leaves the normalised value in `x`."""
        place = self.place(path)
        self_name = self.constant(validator)
        match validator:
            case StringValidator():
                self.add(indent, f"if type({x}) is not str or not {x}.isascii():")
                self.add(indent + 1, f"{x} = as_string({x}, {self_name}, {place})")
            case WholeNumberValidator():
                self.add(indent, f"if type({x}) is not int or not -{NUMBER_MOST} <= {x} <= {NUMBER_MOST}:")
                self.add(indent + 1, f"{x} = as_whole_number({x}, {self_name}, {place})")
            case NumberValidator():
                self.add(
                    indent,
                    f"if type({x}) is not float and (type({x}) is not int or not -{NUMBER_MOST} <= {x} <= {NUMBER_MOST}):",
                )
                self.add(indent + 1, f"{x} = as_number({x}, {self_name}, {place})")
            case BooleanValidator():
                self.add(indent, f"if {x} is not True and {x} is not False:")
                self.add(indent + 1, f"{x} = as_boolean({x}, {self_name}, {place})")
            case NullValidator():
                self.add(indent, f"if {x} is not None:")
                self.add(indent + 1, f"raise refused({x}, {self_name}, {place})")
            case Int64Validator():
                self.add(indent, f"if type({x}) is not Int64:")
                self.add(indent + 1, f"{x} = as_int64({x}, {self_name}, {place})")
            case BytesValidator():
                self.add(indent, f"if type({x}) is not bytes:")
                self.add(indent + 1, f"{x} = as_bytes({x}, {self_name}, {place})")
            case IdValidator():
                self.add(indent, f"{x} = as_id({x}, {self_name}, {place}, tables)")
            case LiteralValidator():
                if type(validator.value) is str:
                    self.add(indent, f"if type({x}) is not str or {x} != {validator.value!r}:")
                elif type(validator.value) is bool:
                    self.add(indent, f"if {x} is not {validator.value!r}:")
                else:
                    self.add(indent, "if True:")
                self.add(indent + 1, f"{x} = as_literal({x}, {self_name}, {place})")
            case AnyValidator():
                self.add(indent, f"if type({x}) is not float and {x} is not None:")
                self.add(indent + 1, f"{x} = any_value({x}, {self_name}, {place}, {depth}, {self.document})")
            case UnionValidator():
                self.union(validator, x, path, indent, depth, level)
            case ArrayValidator() | RecordValidator() | ObjectValidator():
                if self.document and depth >= _LIMITS.document_nesting:
                    self.add(indent, f"raise too_deep({x}, {self_name}, {place})")
                elif level >= _INLINE_LEVELS:
                    # Python allows 20 nested blocks, and deep paths are cheaper to pass on than to write out.
                    check = self.function(validator, depth)
                    self.add(indent, f"{x} = {check.__name__}({x}, tables, {place})")
                elif isinstance(validator, ArrayValidator):
                    self.array(validator, x, path, indent, depth, level, self_name)
                elif isinstance(validator, RecordValidator):
                    self.record(validator, x, path, indent, depth, level, self_name)
                else:
                    self.object(validator, x, path, indent, depth, level, self_name)

    def array(
        self, validator: ArrayValidator, x: str, path: str, indent: int, depth: int, level: int, self_name: str
    ) -> None:
        place = self.place(path)
        given, out, index, item = (self.name(prefix) for prefix in ("given", "out", "i", "e"))
        self.add(indent, f"if type({x}) is not list:")
        self.add(indent + 1, f"{x} = as_array({x}, {self_name}, {place})")
        if self.document:
            self.add(indent, f"if len({x}) > {_LIMITS.array_elements}:")
            self.add(indent + 1, f"raise wrong_length({x}, {self_name}, {place})")
        element = validator.element
        if isinstance(element, AnyValidator):
            self.add(indent, f"{x} = any_array({x}, {place}, {depth}, {self.document})")
            return
        if isinstance(element, _ATOMS):
            quick = self.constant(checks.quick_types(element), "T")
            self.add(indent, f"if is_plain_array({x}, {quick}):")
            self.add(indent + 1, f"{x} = {x} if type({x}) is ReadOnlyList else {x}.copy()")
            self.add(indent, "else:")
            indent += 1
        self.add(indent, f"{given} = {x}")
        self.add(indent, f"{out} = []")
        self.add(indent, f"for {index}, {item} in enumerate({given}):")
        self.emit(element, item, f"{path}[{{{index}}}]", indent + 1, depth + 1, level + 1)
        self.add(indent + 1, f"{out}.append({item})")
        self.add(indent, f"{x} = {self.kept(validator, given, out, 'ReadOnlyList')}")

    @staticmethod
    def kept(validator: Validator, given: str, out: str, kind: str) -> str:
        """Return the expression of the result: a read-only original stays itself where nothing can be converted."""
        return out if checks.converts(validator) else f"{given} if type({given}) is {kind} else {out}"

    def record(
        self, validator: RecordValidator, x: str, path: str, indent: int, depth: int, level: int, self_name: str
    ) -> None:
        place = self.place(path)
        given, out, key, item = (self.name(prefix) for prefix in ("given", "out", "k", "e"))
        self.add(indent, f"if type({x}) is not dict:")
        self.add(indent + 1, f"{x} = as_object({x}, {self_name}, {place})")
        self.add(indent, f"if len({x}) > {_LIMITS.object_fields}:")
        self.add(indent + 1, f"raise wrong_length({x}, {self_name}, {place})")
        self.add(indent, f"{given} = {x}")
        self.add(indent, f"{out} = {{}}")
        self.add(indent, f"for {key}, {item} in {given}.items():")
        self.add(indent + 1, f"if {item} is UNDEFINED:")
        self.add(indent + 2, "continue")
        self.add(indent + 1, f"{key} = check_key({key}, {place})")
        if not isinstance(validator.key, StringValidator):
            self.emit(validator.key, key, f"{path}.{{{key}}}", indent + 1, depth, level + 1)
        self.emit(validator.value, item, f"{path}.{{{key}}}", indent + 1, depth + 1, level + 1)
        self.add(indent + 1, f"{out}[{key}] = {item}")
        self.add(indent, f"{x} = {self.kept(validator, given, out, 'Document')}")

    def object(
        self, validator: ObjectValidator, x: str, path: str, indent: int, depth: int, level: int, self_name: str
    ) -> None:
        place = self.place(path)
        given, out = self.name("given"), self.name("out")
        self.add(indent, f"if type({x}) is not dict:")
        self.add(indent + 1, f"{x} = as_object({x}, {self_name}, {place})")
        self.add(indent, f"{given} = {x}")
        fields = [(name, field, self.name("f")) for name, field in validator.fields.items()]
        required = [(name, x_) for name, field, x_ in fields if not field.is_optional]
        if required:
            self.add(indent, "try:")
            for name, local in required:
                self.add(indent + 1, f"{local} = {given}[{name!r}]")
            self.add(indent, "except KeyError:")
            self.add(indent + 1, f"raise missing({given}, {self_name}, {place}) from None")
        self.add(indent, f"{out} = {{}}")
        for name, field, local in fields:
            inner = f"{path}.{_brace(name)}"
            if field.is_optional:
                self.add(indent, f"{local} = {given}.get({name!r}, UNDEFINED)")
                self.add(indent, f"if {local} is not UNDEFINED:")
                self.emit(field, local, inner, indent + 1, depth + 1, level + 1)
                self.add(indent + 1, f"{out}[{name!r}] = {local}")
            else:
                self.add(indent, f"if {local} is UNDEFINED:")
                self.add(indent + 1, f"raise missing({given}, {self_name}, {place})")
                self.emit(field, local, inner, indent, depth + 1, level + 1)
                self.add(indent, f"{out}[{name!r}] = {local}")
        self.add(indent, f"if len({out}) != len({given}):")
        self.add(indent + 1, f"unexpected({given}, {out}, {self_name}, {place})")
        self.add(indent, f"{x} = {self.kept(validator, given, out, 'Document')}")

    def union(self, validator: UnionValidator, x: str, path: str, indent: int, depth: int, level: int) -> None:
        place = self.place(path)
        self_name = self.constant(validator)
        tests = [test for member in validator.members if (test := _quick_test(member, x))]
        others = [member for member in validator.members if isinstance(member, (ArrayValidator, ObjectValidator))]
        if tests:
            self.add(indent, f"if {' or '.join(tests)}:")
            self.add(indent + 1, "pass")
            self.add(indent, "else:")
            indent += 1
        if len(others) == 1 and all(isinstance(member, NullValidator) for member in validator.members if member != others[0]):
            # `nullable(object)`: what is wrong is wrong inside the object, so say where.
            self.emit(others[0], x, path, indent, depth, level)
            return
        members = self.constant(
            [(member, self.function(member, depth)) for member in validator.members], "M"
        )
        self.add(indent, f"{x} = union_member({x}, {members}, {self_name}, {place}, tables)")


def _brace(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("{", "{{").replace("}", "}}")


def _quick_test(member: Validator, x: str) -> str | None:
    """Return a test that holds only for values of `member` which need no normalising, where a short one exists."""
    match member:
        case StringValidator():
            return f"type({x}) is str and {x}.isascii()"
        case WholeNumberValidator():
            return f"type({x}) is int and -{NUMBER_MOST} <= {x} <= {NUMBER_MOST}"
        case NumberValidator():
            return f"type({x}) is float or type({x}) is int and -{NUMBER_MOST} <= {x} <= {NUMBER_MOST}"
        case BooleanValidator():
            return f"{x} is True or {x} is False"
        case NullValidator():
            return f"{x} is None"
        case Int64Validator():
            return f"type({x}) is Int64"
        case BytesValidator():
            return f"type({x}) is bytes"
        case LiteralValidator(value=str() as text):
            return f"type({x}) is str and {x} == {text!r}"
        case LiteralValidator(value=bool() as truth):
            return f"{x} is {truth!r}"
        case _:
            return None
