"""What every validator is: immutable data that compiles itself on first use into one generated function."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.limits import Limits
from convex_nb.language.value_types import Value

if TYPE_CHECKING:
    from convex_nb.language.validators import UnionValidator

_MOST_LEVELS = Limits.convex().value_nesting


class Validator:
    """The base of all validators. Equal validators accept the same values for the same reason."""

    kind: ClassVar[str] = ""
    is_optional: bool = False
    levels: int = 0
    """How many arrays and objects deep this validator itself describes."""

    @property
    def json(self) -> dict[str, Any]:
        """The validator as plain JSON, the form that `v.from_json` reads."""
        return {"type": self.kind}

    def to_code(self) -> str:
        """Return the expression that builds this validator."""
        code = self._code()
        return f"v.optional({code})" if self.is_optional else code

    def _code(self) -> str:
        return f"v.{self.kind}()"

    def _identity(self) -> Hashable:
        return ()

    def children(self) -> tuple[Validator, ...]:
        """Return the validators right inside this one."""
        return ()

    def as_optional(self, optional: bool = True) -> Self:
        """Return the same validator for a field that may be missing (or, with False, may not)."""
        if self.is_optional == optional:
            return self
        copy = type(self).__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy.__dict__["is_optional"] = optional
        return copy

    def validate(self, value: object, *, tables: Mapping[int, str] | None = None) -> Value:
        """Return `value` normalised, or raise `ValidationError` (`InvalidValueError` for what is no value at all).

        `tables` maps table numbers to names, for `v.id`; without it only an id's form is checked.
        """
        # The compiled function takes this method's place, so that every later call goes straight to it.
        check = self.__dict__.get("validate")
        if check is None:
            from convex_nb.language.validator_compiler import compile_validator

            check = self.__dict__["validate"] = compile_validator(self)
        return check(value, tables=tables)

    def to_json_schema(self) -> dict[str, Any]:
        """Return a JSON Schema (draft 2020-12) of the values in their lossy JSON form."""
        from convex_nb.language.validator_json import json_schema

        return json_schema(self)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"validators are immutable: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"validators are immutable: {name} cannot be removed")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Validator):
            return NotImplemented
        return self is other or (
            type(self) is type(other)
            and self.is_optional == other.is_optional
            and self._identity() == other._identity()
        )

    def __hash__(self) -> int:
        return hash((type(self), self.is_optional, self._identity()))

    def __repr__(self) -> str:
        return self.to_code()

    def __getstate__(self) -> dict[str, Any]:
        return {name: item for name, item in self.__dict__.items() if name != "validate"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __or__(self, other: object) -> UnionValidator:
        """Return the union with a validator or None, so that annotations can say `v.id("users") | None`."""
        from convex_nb.language.validators import NullValidator, UnionValidator

        if other is None:
            return UnionValidator(self, NullValidator())
        return UnionValidator(self, other) if isinstance(other, Validator) else NotImplemented

    def __ror__(self, other: object) -> UnionValidator:
        return self | None if other is None else NotImplemented

    def _nest(self, inner: tuple[Validator, ...]) -> None:
        levels = 1 + max((child.levels for child in inner), default=0)
        if levels > _MOST_LEVELS:
            raise SchemaDefinitionError(
                f"A validator is nested more than {_MOST_LEVELS} levels deep; no value could fit it."
            )
        self.__dict__["levels"] = levels
