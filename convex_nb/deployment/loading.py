"""Functions of modules and folders: what `dep.load` finds."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from convex_nb.functions.components.component import Component, Use, is_uses
from convex_nb.functions.definition import Function
from convex_nb.functions.determinism.installation import adopt_names
from convex_nb.functions.http.router import HttpRouter
from convex_nb.language.describing import describe
from convex_nb.language.errors import (
    ComponentError,
    ConvexNbError,
    FunctionNotFoundError,
    InvalidValueError,
    SchedulingError,
    SchemaDefinitionError,
)
from convex_nb.language.schema import SchemaDefinition
from convex_nb.services.scheduling.crons import CronJobs

_loaded: dict[str, str] = {}
"""The text of each module that was loaded, as it was then."""


class Loaded(NamedTuple):
    """What modules define: functions by module path, and the schema, the crons, the router, the providers and the
    components that are used, if one has any."""

    functions: dict[str, list[Function]]
    schema: SchemaDefinition | None
    crons: CronJobs | None
    http: HttpRouter | None
    auth: Mapping[str, Any] | None
    uses: Sequence[Component | Use] | None


class _Single(NamedTuple):
    """What modules may define by this name, once in all."""

    name: str
    is_one: Callable[[object], bool]
    error: type[ConvexNbError]
    has: str
    """How many of it a deployment has."""


_SINGLES: Final = (
    _Single("schema", lambda value: isinstance(value, SchemaDefinition), SchemaDefinitionError, "one"),
    _Single("crons", lambda value: isinstance(value, CronJobs), SchedulingError, "one set"),
    _Single("http", lambda value: isinstance(value, HttpRouter), SchemaDefinitionError, "one router"),
    _Single("auth_config", lambda value: isinstance(value, Mapping), SchemaDefinitionError, "one"),
    _Single("uses", is_uses, ComponentError, "one list of components"),
)


def load_modules(source: str | PathLike[str] | ModuleType) -> Loaded:
    """Return what a module, package or folder defines, by module path relative to it; changed files are run anew.

    A module outside a package goes by its own name, a package's `__init__` by the package's. Raises what importing
    raises, `FunctionNotFoundError` where there is nothing to import or nothing in it, and `SchedulingError` where two
    modules have crons, `SchemaDefinitionError` where two have a `schema`, an `http` or an `auth_config`,
    `ComponentError` where two have `uses`.
    """
    name = _name_of(source)
    functions: dict[str, list[Function]] = {}
    singles: dict[str, dict[str, Any]] = {single.name: {} for single in _SINGLES}
    for path, module in _modules(name):
        defined = vars(module)
        # Helpers too, which register nothing.
        adopt_names(defined)
        own = [each for each in defined.values() if isinstance(each, Function) and each.__module__ == module.__name__]
        if own:
            functions[path] = own
        for single in _SINGLES:
            value, known = defined.get(single.name), singles[single.name]
            if single.is_one(value) and all(value is not each for each in known.values()):
                known[path] = value
    if "schema" in singles["schema"]:
        # Who imported it before its file was changed has the former one.
        singles["schema"] = {"schema": singles["schema"]["schema"]}
    for single in _SINGLES:
        paths = singles[single.name]
        if len(paths) > 1:
            raise single.error(
                f"{' and '.join(paths)} of {name!r} each define `{single.name}`: a deployment has {single.has}. "
                "Nothing changed."
            )
    if not (functions or any(singles.values())):
        raise FunctionNotFoundError(
            f"{name!r} defines no function, and nothing changed: decorate what it offers with `@query` or `@mutation`.",
            path=name,
        )
    schema, crons, http, auth, uses = (next(iter(paths.values()), None) for paths in singles.values())
    return Loaded(functions, schema, crons, http, auth, uses)


def _name_of(source: object) -> str:
    if isinstance(source, str):
        return source
    if isinstance(source, ModuleType):
        return source.__name__
    if isinstance(source, PathLike):
        # With a slash, as a name without one may be that of a module.
        return str(Path(source).absolute())
    raise InvalidValueError(
        f"load() takes the name of a module or a package, or a folder, not {describe(source, 80)}. Nothing changed."
    )


def _modules(name: str) -> Iterator[tuple[str, ModuleType]]:
    folder = Path(name)
    if name and folder.is_dir() and ("/" in name or not _is_importable(name)):
        root = _import_file(folder.resolve().name, folder / "__init__.py", folder)
    elif _is_importable(name):
        root = _import(name)
    else:
        raise FunctionNotFoundError(
            f"There is no module and no folder {name!r} to load functions from. Nothing changed.", path=name
        )
    path = root.__name__.rpartition(".")[2]
    yield path, root
    for location in map(Path, getattr(root, "__path__", ())):
        for file in sorted(location.rglob("*.py")):
            parts = file.relative_to(location).with_suffix("").parts
            if file.name == "__init__.py" or any(part.startswith((".", "_")) for part in parts):
                continue
            yield "/".join(parts), _import(".".join((root.__name__, *parts)))


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _import(name: str) -> ModuleType:
    """Import a module; again if its file has changed since it was loaded here."""
    known = sys.modules.get(name)
    if known is None:
        module = importlib.import_module(name)
    else:
        text = _text_of(known)
        module = known if _loaded.get(name, text) == text else importlib.reload(known)
    _loaded[name] = _text_of(module)
    return module


def _import_file(name: str, file: Path, folder: Path) -> ModuleType:
    """Make a package of a folder that Python would not find by itself."""
    known = sys.modules.get(name)
    if known is not None and [str(folder.resolve())] == list(getattr(known, "__path__", ())):
        return known
    location = [str(folder.resolve())]
    if file.exists():
        spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=location)
    else:
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = location
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if spec.loader is not None:
        spec.loader.exec_module(module)
    return module


def _text_of(module: ModuleType) -> str:
    file = getattr(module, "__file__", None)
    return Path(file).read_text(encoding="utf-8") if file else ""
