"""A deployment as a typed Python module: its documents, and its functions as methods."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from convex_nb.deployment.description.python_types import PythonTypes, attribute_name, docstring, names_in
from convex_nb.language.validators import ObjectValidator, UnionValidator, quoted

if TYPE_CHECKING:
    from convex_nb.functions.definition import Function, Visibility
    from convex_nb.language.schema import SchemaDefinition
    from convex_nb.language.validators import Validator

_TYPING: Final = ("Any", "Literal", "Never", "NotRequired", "Protocol", "TypedDict", "Unpack")
_OURS: Final = ("Id", "Int64")
_ROOTS: Final[dict[Visibility, str]] = {"public": "Api", "internal": "Internal"}
_SYSTEM: Final = {"_id": "Id", "_creationTime": "float"}
_HEAD: Final = '''\
"""Documents and functions, typed. Written by `convex-nb codegen`: do not edit it, write it again.

`Api(caller)` calls public functions, `Internal(caller)` internal ones. The caller is a deployment, a client of it, the
client of the package `convex`, or `Within(ctx)` inside of a function.
"""

from __future__ import annotations
'''
_CALLER: Final = '''\
class Caller(Protocol):
    """Calls functions by their paths."""

    def query(self, path: str, args: Any, /) -> Any: ...
    def mutation(self, path: str, args: Any, /) -> Any: ...
    def action(self, path: str, args: Any, /) -> Any: ...


class Within:
    """A caller inside of a function: `Api(Within(ctx))`. What the function's `ctx` cannot call, it cannot."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx

    def query(self, path: str, args: Any, /) -> Any:
        return self._ctx.run_query(path, args)

    def mutation(self, path: str, args: Any, /) -> Any:
        return self._ctx.run_mutation(path, args)

    def action(self, path: str, args: Any, /) -> Any:
        return self._ctx.run_action(path, args)
'''


class _Module:
    """Functions and modules by the names that they have in it."""

    def __init__(self) -> None:
        self.functions: dict[str, tuple[str, Function]] = {}
        self.modules: dict[str, _Module] = {}

    def put(self, path: str, function: Function) -> None:
        module, _, name = path.partition(":")
        segments = [*module.split("/"), name] if name else module.split("/")
        place = self
        for segment in segments[:-1]:
            place = place.modules.setdefault(segment, _Module())
        place.functions[segments[-1]] = (path, function)


def codegen(functions: Mapping[str, Function], schema: SchemaDefinition | None) -> str:
    """Return the text of a module; the same functions and tables always give the same text."""
    types = PythonTypes(frozenset({*_TYPING, *_OURS, *_ROOTS.values(), "Caller", "Within", "TYPE_CHECKING"}))
    for name, table in sorted(() if schema is None else schema.tables.items()):
        _document(types, name, table.validator)
    roots = {visibility: _Module() for visibility in _ROOTS}
    for path, function in sorted(functions.items()):
        roots[function.visibility].put(path, function)
    for visibility, root in _ROOTS.items():
        if roots[visibility].functions or roots[visibility].modules:
            _class(types, roots[visibility], root, (), f"The {visibility} functions.")
    body = types.definitions
    if any("Caller" in names_in(each) for each in body):
        body = [_CALLER, *body]
    return "\n\n".join([_HEAD + _imports(names_in("\n".join(body))), *body])


def _imports(used: set[str]) -> str:
    ours = [name for name in _OURS if name in used]
    typing = [*(["TYPE_CHECKING"] if ours else []), *[name for name in _TYPING if name in used]]
    lines = f"\nfrom typing import {', '.join(typing)}\n" if typing else ""
    return lines + (f"\nif TYPE_CHECKING:\n    from convex_nb import {', '.join(ours)}\n" if ours else "")


def _document(types: PythonTypes, table: str, validator: Validator) -> None:
    name, doc = types.name(table, "Document"), f"A document of the table {table}."
    variants = validator.members if isinstance(validator, UnionValidator) else (validator,)
    objects = [each for each in variants if isinstance(each, ObjectValidator)]
    if len(objects) < len(variants):
        types.definitions.append(f"{name} = dict[str, Any]\n")
        return
    names = [name] if len(objects) == 1 else [types.name(name, str(number)) for number, _ in enumerate(objects, 1)]
    for each, validator in zip(names, objects, strict=True):
        types.typed_dict(each, validator.fields, doc, is_taken=False, system=_SYSTEM)
    if names != [name]:
        types.definitions.append(f"{name} = {' | '.join(names)}\n")


def _class(types: PythonTypes, module: _Module, name: str, place: tuple[str, ...], doc: str) -> None:
    """Define a class with a method for each function, after those of the modules in it."""
    attributes: dict[str, str] = {}
    for segment, inner in sorted(module.modules.items()):
        attribute = _free(attribute_name(segment), attributes)
        attributes[attribute] = types.name(*place, segment, *([_ROOTS["internal"]] if name == "Internal" else []))
        _class(
            types, inner, attributes[attribute], (*place, segment), f"The functions of {'/'.join((*place, segment))}."
        )
    methods = []
    for segment, (path, function) in sorted(module.functions.items()):
        method = _free(attribute_name(segment), attributes)
        attributes[method] = ""
        methods.append(_method(types, method, path, function, (*place, segment)))
    modules = "".join(
        f"        self.{attribute} = {inner}(caller)\n" for attribute, inner in attributes.items() if inner
    )
    head = (
        f"class {name}:\n    {docstring(doc)}\n\n"
        f"    def __init__(self, caller: Caller) -> None:\n        self._caller = caller\n{modules}"
    )
    types.definitions.append("\n".join([head, *methods]))


def _free(name: str, taken: Mapping[str, str]) -> str:
    while name in taken or name in ("_caller", "__init__"):
        name += "_"
    return name


def _method(types: PythonTypes, method: str, path: str, function: Function, place: tuple[str, ...]) -> str:
    given, passed = ", **args: Any", "args"
    if isinstance(function.args, ObjectValidator):
        if function.args.fields:
            arguments = types.name(*place, "Args")
            types.typed_dict(arguments, function.args.fields, f"What {path} takes.", is_taken=True)
            given = f", **args: Unpack[{arguments}]"
        else:
            given, passed = "", "{}"
    result = "Any"
    if function.returns is not None:
        result = types.of(function.returns, types.name(*place, "Result"), is_taken=False)
    said = (inspect.getdoc(function) or "").partition("\n")[0].strip()
    doc = f"        {docstring(said)}\n" if said else ""
    call = f"self._caller.{function.kind}({quoted(path)}, {passed})"
    # Whatever arrives is what the function's validator has let through.
    returned = (
        f"        return {call}" if result == "Any" else f"        result: {result} = {call}\n        return result"
    )
    return f"    def {method}(self{', /' if given else ''}{given}) -> {result}:\n{doc}{returned}\n"
