"""A function: what the decorators make of a handler."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, overload

from convex_nb.functions.execution import running
from convex_nb.functions.host import get_host
from convex_nb.functions.paths import check_path
from convex_nb.language.annotations import validators_of_signature
from convex_nb.language.component_schema import with_tables
from convex_nb.language.describing import shorten
from convex_nb.language.errors import DeploymentClosedError, InvalidValueError, SchemaDefinitionError
from convex_nb.language.qualified_names import qualified
from convex_nb.language.validators import ObjectValidator, Validator, as_validator

if TYPE_CHECKING:
    from convex_nb.functions.registry import Entry

_ID_ANNOTATION = re.compile(r"(?:typing\.)?Annotated\[[\w.]*\bId, '(\w+)'\]")
_OPTIONAL_ID = re.compile(r'(?:typing\.)?Optional\[(Id\["\w+"\])\]')

_VALUES = (str, int, float, bytes, list, dict, type(None))
"""What may be an argument, and is no context."""

Handler: TypeAlias = Callable[..., Any]
Kind: TypeAlias = Literal["query", "mutation", "action"]
Visibility: TypeAlias = Literal["public", "internal"]


class Function:
    """A query, mutation or action: a handler, the validators of its arguments and of what it returns, and a path.

    Calling it in a cell runs it on the current deployment, with arguments by name. `path` is the one under which it
    was registered last, to begin with the `given_path` if there is one. A function that is anonymous (a lambda, or one
    with a `name` given here) can be run and watched, but is in no registry.
    """

    def __init__(
        self,
        handler: Handler,
        kind: Kind,
        visibility: Visibility = "public",
        *,
        path: str | None = None,
        args: Validator | Mapping[str, Validator] | None = None,
        returns: Validator | Mapping[str, Validator] | None = None,
        name: str | None = None,
    ) -> None:
        self.is_anonymous = path is None and (name is not None or not _name_of(handler).isidentifier())
        name = name or _name_of(handler)
        _check_handler(handler, kind, name)
        self.handler = handler
        self.kind: Kind = kind
        self.visibility: Visibility = visibility
        self.given_path = self.path = None if path is None else check_path(path)
        self.args = _arguments(handler, name, args)
        self.returns = None if returns is None else as_validator(returns)
        self.entry: Entry | None = None
        self.component: str | None = None
        """The name of the component that defines it; its `path` is the one that it has there."""
        self.is_async = inspect.iscoroutinefunction(handler)
        self.__name__ = name
        self.__qualname__ = getattr(handler, "__qualname__", name)
        self.__module__ = getattr(handler, "__module__", None) or "__main__"
        self.__doc__ = handler.__doc__
        self.__wrapped__ = handler
        signature = inspect.signature(handler)
        self._context = next(iter(signature.parameters), "ctx")
        self.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])

    def __repr__(self) -> str:
        return f"<{self.visibility} {self.kind} {self.path or self.__name__}{self.signature}>"

    @property
    def signature(self) -> str:
        """The parameters as they are written, without the context."""
        parameters = [
            each.replace(annotation=_Bare(each.annotation)) if isinstance(each.annotation, str) else each
            for each in self.__signature__.parameters.values()
        ]
        text = _ID_ANNOTATION.sub(r'Id["\1"]', str(inspect.Signature(parameters)))
        return _OPTIONAL_ID.sub(r"\1 | None", text)

    @property
    def source(self) -> str | None:
        """The text of the definition, where it is still known."""
        try:
            return inspect.getsource(self.handler)
        except (OSError, TypeError):
            return None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on the current deployment. Inside another handler it warns, and runs as the plain handler."""
        if running.get() is not None:
            if isinstance(args[0], _VALUES) if args else self._context not in kwargs:
                raise InvalidValueError(
                    f"`{self.__name__}` was called inside another function without its context, so it did not run. "
                    f"Write `ctx.run_{self.kind}({self.__name__}, ...)`, or `{self.__name__}.handler(ctx, ...)`."
                )
            warnings.warn(
                f"`{self.__name__}` was called directly inside another function: it ran as plain Python, its arguments "
                f"and result unchecked. Write `ctx.run_{self.kind}({self.__name__}, ...)`, or "
                f"`{self.__name__}.handler(ctx, ...)`.",
                stacklevel=2,
            )
            return self.handler(*args, **kwargs)
        host = get_host()
        if host is None:
            raise DeploymentClosedError(
                f"`{self.__name__}` did not run: there is no current deployment. Run `%load_ext convex_nb` or "
                "`convex_nb.open()` first, or call it through one: `dep."
                f"{self.kind}({self.__name__}, ...)`."
            )
        if len(args) > 1:
            raise InvalidValueError(
                f"`{self.__name__}` takes its arguments by name or as one dict, not {len(args)} of them by position. "
                "It did not run."
            )
        return host.run(self, merge_arguments(self.__name__, args[0] if args else None, kwargs))

    def is_same_as(self, other: Function) -> bool:
        """Tell whether both do the same: the same code over the same closure, with the same validators."""
        return self is other or (
            self.kind == other.kind
            and self.visibility == other.visibility
            and self.args == other.args
            and self.returns == other.returns
            and same_code(self.handler, other.handler)
        )

    def is_sibling_of(self, other: Function) -> bool:
        """Tell whether both came from one `def` that was run twice, as in a function that makes functions."""
        mine, theirs = (getattr(inspect.unwrap(each.handler), "__code__", None) for each in (self, other))
        return self is not other and mine is not None and mine is theirs

    def installed_in(self, component: str) -> Function:
        """Return this function as the component at this path has it: ids are ids of its own tables."""
        own = copy(self)
        own.args = with_tables(self.args, partial(qualified, component))
        own.returns = None if self.returns is None else with_tables(self.returns, partial(qualified, component))
        own.given_path = own.path = own.entry = None
        return own


class _Bare(str):
    """An annotation that was never evaluated, shown as it was written and not as a string."""

    __slots__ = ()
    __repr__ = str.__str__


def same_code(a: object, b: object, depth: int = 8) -> bool:
    """Tell whether two handlers have the same code, globals, defaults and closure.

    Functions in a closure (what a wrapper wraps) are compared in the same way, `depth` levels down.
    """
    if a is b:
        return True
    if not isinstance(a, FunctionType) or not isinstance(b, FunctionType) or not depth:
        return False
    return (
        a.__code__ == b.__code__
        and a.__globals__ is b.__globals__
        and _same_items(a.__defaults__ or (), b.__defaults__ or (), depth)
        and _same_items(tuple((a.__kwdefaults__ or {}).values()), tuple((b.__kwdefaults__ or {}).values()), depth)
        and _same_items(_closure(a), _closure(b), depth)
    )


def _closure(function: FunctionType) -> tuple[object, ...]:
    contents: list[object] = []
    for cell in function.__closure__ or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:
            contents.append(None)
    return tuple(contents)


_ATOMS = (str, bytes, int, float)


def _same_items(a: tuple[object, ...], b: tuple[object, ...], depth: int) -> bool:
    return len(a) == len(b) and all(
        x is y or (type(x) is type(y) and isinstance(x, _ATOMS) and x == y) or same_code(x, y, depth - 1)
        for x, y in zip(a, b, strict=True)
    )


def merge_arguments(name: str, args: Mapping[str, Any] | None, kwargs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the arguments of a call, which are given as one dict, by name, or both."""
    if args is None:
        return kwargs
    if not isinstance(args, Mapping):
        raise InvalidValueError(
            f"`{name}` takes its arguments by name or as one dict, not {shorten(repr(args), 80)}. It did not run.",
            value=args,
        )
    if not kwargs:
        return args
    twice = [name for name in kwargs if name in args]
    if twice:
        raise InvalidValueError(
            f"`{name}` got the argument `{twice[0]}` twice: in the dict and by name. It did not run."
        )
    return {**args, **kwargs}


def _name_of(handler: object) -> str:
    if isinstance(handler, Function):
        raise SchemaDefinitionError(f"{handler!r} is decorated already: a function is of one kind.")
    if not callable(handler) or isinstance(handler, type):
        raise SchemaDefinitionError(f"A function is a `def` whose first parameter is `ctx`, not {handler!r}.")
    name = getattr(handler, "__name__", None)
    if not isinstance(name, str):
        name = type(handler).__name__
    return name


def _check_handler(handler: Handler, kind: Kind, name: str) -> None:
    if inspect.isgeneratorfunction(handler) or inspect.isasyncgenfunction(handler):
        raise SchemaDefinitionError(f"`{name}` is a generator: it would run after its {kind} is over. Return a list.")
    if inspect.iscoroutinefunction(handler) and kind != "action":
        raise SchemaDefinitionError(
            f"`{name}` is an `async def`: a {kind} is a plain `def`, since it never waits. Only actions may."
        )


def _arguments(handler: Handler, name: str, args: Validator | Mapping[str, Validator] | None) -> Validator:
    written = validators_of_signature(handler)
    if args is None:
        return written
    given = as_validator(args)
    if given.is_optional:
        raise SchemaDefinitionError(f"`{name}`: its arguments as a whole cannot be optional; make its fields so.")
    if not isinstance(written, ObjectValidator):
        return given
    if not isinstance(given, ObjectValidator):
        raise SchemaDefinitionError(
            f"`{name}` takes `{given!r}`, which can have any fields: write `def {name}(ctx, **args)`."
        )
    for field in given.fields:
        if field not in written.fields:
            raise SchemaDefinitionError(f"`{name}` has a validator for `{field}`, but no such parameter.", field=field)
    for field, parameter in written.fields.items():
        if not parameter.is_optional and (field not in given.fields or given.fields[field].is_optional):
            missing = "is optional in its validators" if field in given.fields else "has no validator"
            raise SchemaDefinitionError(
                f"`{name}` has a parameter `{field}` that {missing}: give it a default, or change `args=`.", field=field
            )
    return given


class Decorator(Protocol):
    """`@query`, `@query("tasks:list")`, `@query(args={...}, returns=...)`."""

    @overload
    def __call__(self, handler: Handler, /) -> Function: ...
    @overload
    def __call__(
        self,
        path: str | None = None,
        /,
        *,
        args: Validator | Mapping[str, Validator] | None = None,
        returns: Validator | Mapping[str, Validator] | None = None,
    ) -> Callable[[Handler], Function]: ...
    @overload
    def __call__(
        self,
        *,
        path: str,
        args: Validator | Mapping[str, Validator] | None = None,
        returns: Validator | Mapping[str, Validator] | None = None,
    ) -> Callable[[Handler], Function]: ...


def lost_name(handler: Handler) -> str:
    """Return what to say of what a decorator made of a handler without `functools.wraps`; nothing of any other."""
    if not isinstance(handler, FunctionType) or hasattr(handler, "__wrapped__"):
        return ""
    passes_on = {each.kind for each in inspect.signature(handler).parameters.values()} & {*_GENERIC}
    inner = [each.__code__.co_varnames[:1] for each in _closure(handler) if isinstance(each, FunctionType)]
    if not passes_on or ("ctx",) not in inner:
        return ""
    return (
        f"`{_name_of(handler)}` was made by a decorator without `@functools.wraps(function)`: the name and the "
        "arguments of the function that it wraps are lost. Write that line above it, in the decorator."
    )


_GENERIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def decorator(
    kind: Kind, visibility: Visibility, doc: str, announce: Callable[[Function], Function] | None = None
) -> Decorator:
    """Make a decorator of functions of one kind; `announce` is told of each, the current deployment unless given."""
    announce = announce or _announce

    def decorate(first: Any = None, /, *, path: str | None = None, args: Any = None, returns: Any = None) -> Any:
        def make(handler: Handler) -> Function:
            if chosen is None and (said := lost_name(handler)):
                warnings.warn(said, stacklevel=3 if handler is first else 2)
            return announce(Function(handler, kind, visibility, path=chosen, args=args, returns=returns))

        if first is not None and not isinstance(first, str):
            chosen = path
            return make(first)
        chosen = first if path is None else path
        return make

    decorate.__name__ = decorate.__qualname__ = kind if visibility == "public" else f"internal_{kind}"
    decorate.__doc__ = doc
    return decorate


def _announce(function: Function) -> Function:
    # What a notebook defines is live at once; a module's functions wait until somebody loads them.
    host = get_host()
    if host is not None and function.__module__ == "__main__" and running.get() is None:
        host.adopt(function)
    return function


query = decorator("query", "public", "Make a query of a handler: it reads one snapshot, and can be watched.")
mutation = decorator("mutation", "public", "Make a mutation of a handler: all that it writes is committed, or none.")
internal_query = decorator("query", "internal", "Make a query that clients cannot call.")
internal_mutation = decorator("mutation", "internal", "Make a mutation that clients cannot call.")
action = decorator("action", "public", "Make an action of a handler, `def` or `async def`: it may do anything, once.")
internal_action = decorator("action", "internal", "Make an action that clients cannot call.")
