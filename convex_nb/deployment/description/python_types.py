"""Validators as the Python types of the values that they take and give."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from convex_nb.language.validators import (
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
    quoted,
)
from convex_nb.language.value_types import Int64

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_NAMES: Final = re.compile(r"\b[A-Z]\w*")
_TEXT: Final = re.compile(r'"(\\.|[^"\\])*"')


class PythonTypes:
    """Writes types; objects become TypedDicts with names of their own, collected in `definitions`.

    What functions take is wider than what they give: any `str` for an id, any `int` for an `Int64`.
    """

    def __init__(self, reserved: frozenset[str]) -> None:
        self.definitions: list[str] = []
        self._names = set(reserved)

    def name(self, *words: str) -> str:
        """A class name that is still free: `MessagesSend` for "messages" and "send"."""
        base = "".join([part[:1].upper() + part[1:] for word in words for part in re.split(r"\W|_", word)])
        # A number may come first in a module's name.
        base = chosen = base if base[:1].isalpha() else f"N{base}"
        count = 2
        while chosen in self._names:
            chosen, count = f"{base}{count}", count + 1
        self._names.add(chosen)
        return chosen

    def typed_dict(
        self,
        name: str,
        fields: Mapping[str, Validator],
        doc: str,
        *,
        is_taken: bool,
        system: Mapping[str, str] = _NOTHING,
    ) -> str:
        """Define an object's type under a name that `name()` gave; `system` are types of fields without validators."""
        types = dict(system)
        for field, validator in fields.items():
            written = self.of(validator, f"{name}_{field}", is_taken=is_taken)
            types[field] = f"NotRequired[{written}]" if validator.is_optional else written
        if all(map(_is_plain_name, types)):
            lines = "".join([f"    {field}: {written}\n" for field, written in types.items()])
            self.definitions.append(
                f"class {name}(TypedDict):\n    {docstring(doc)}\n" + (f"\n{lines}" if lines else "")
            )
        else:
            # Names that no attribute can have.
            items = "".join([f"        {quoted(field)}: {_as_text(written)},\n" for field, written in types.items()])
            self.definitions.append(f"{name} = TypedDict(\n    {quoted(name)},\n    {{\n{items}    }},\n)\n")
        return name

    def of(self, validator: Validator, name: str, *, is_taken: bool) -> str:
        """The type of the values; an object in it is called after `name`."""
        match validator:
            case StringValidator():
                return "str"
            case WholeNumberValidator():
                return "int"
            case NumberValidator():
                return "float"
            case Int64Validator():
                return "int" if is_taken else "Int64"
            case BooleanValidator():
                return "bool"
            case NullValidator():
                return "None"
            case BytesValidator():
                return "bytes"
            case IdValidator():
                return "str" if is_taken else "Id"
            case LiteralValidator():
                return _literal(validator, is_taken)
            case ArrayValidator():
                return f"list[{self.of(validator.element, f'{name}_item', is_taken=is_taken)}]"
            case RecordValidator():
                return f"dict[str, {self.of(validator.value, f'{name}_value', is_taken=is_taken)}]"
            case ObjectValidator():
                return self.typed_dict(self.name(name), validator.fields, "An object.", is_taken=is_taken)
            case UnionValidator():
                return self._union(validator, name, is_taken)
            case _:
                return "Any"

    def _union(self, validator: UnionValidator, name: str, is_taken: bool) -> str:
        several = sum(isinstance(member, ObjectValidator) for member in validator.members) > 1
        written = [
            self.of(member, f"{name}_{number}" if several else name, is_taken=is_taken)
            for number, member in enumerate(validator.members, 1)
        ]
        literals = [each[8:-1] for each in written if each.startswith("Literal[")]
        together = f"Literal[{', '.join(dict.fromkeys(literals))}]"
        # `None` last, as people write it.
        types = dict.fromkeys([together if each.startswith("Literal[") else each for each in written if each != "None"])
        return " | ".join([*types, *(["None"] if "None" in written else [])]) or "Never"


def names_in(code: str) -> set[str]:
    """Return the capitalised names of a piece of code, those in types that are written as strings included."""
    types = [text[0] for text in _TEXT.finditer(code)]
    return {*_NAMES.findall(_TEXT.sub('""', code)), *_NAMES.findall(" ".join(types))}


def docstring(text: str) -> str:
    """Return a docstring that says so."""
    body = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{body[:-1]}\\"""""' if body.endswith('"') else f'"""{body}"""'


def attribute_name(text: str) -> str:
    """Return a name that an attribute can have, for a segment of a path."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    if name[:1].isdigit():
        name = f"_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name.startswith("__") else name


def _as_text(written: str) -> str:
    return repr(written) if '"' in written else quoted(written)


def _is_plain_name(field: str) -> bool:
    return field.isidentifier() and not keyword.iskeyword(field) and not field.startswith("__")


def _literal(validator: LiteralValidator, is_taken: bool) -> str:
    value = validator.value
    if isinstance(value, Int64):
        return "int" if is_taken else "Int64"
    if isinstance(value, float):
        return "float"
    return f"Literal[{quoted(value) if isinstance(value, str) else repr(value)}]"
