"""Functions of modules and folders: what `dep.load` finds."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from convex_nb.functions.components.component import Component, Use, is_uses
from convex_nb.functions.definition import Function
from convex_nb.functions.determinism.installation import adopt_names
from convex_nb.functions.http.router import HttpRouter
from convex_nb.language.describing import describe
from convex_nb.language.errors import (
    ComponentError,
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


def load_modules(source: str | PathLike[str] | ModuleType) -> Loaded:
    """Return what a module, package or folder defines, by module path relative to it; changed files are run anew.

    A module outside a package goes by its own name, a package's `__init__` by the package's. Raises what importing
    raises, `FunctionNotFoundError` where there is nothing to import or nothing in it, and `SchedulingError` where two
    modules have crons, `SchemaDefinitionError` where two have a `schema`, an `http` or an `auth_config`,
    `ComponentError` where two have `uses`.
    """
    name = _name_of(source)
    found: dict[str, list[Function]] = {}
    schemas: dict[str, SchemaDefinition] = {}
    crons: dict[str, CronJobs] = {}
    routers: dict[str, HttpRouter] = {}
    providers: dict[str, Mapping[str, Any]] = {}
    uses: dict[str, Sequence[Component | Use]] = {}
    for path, module in _modules(name):
        # Helpers too, which register nothing.
        adopt_names(vars(module))
        functions = [each for each in vars(module).values() if isinstance(each, Function)]
        own = [each for each in functions if each.__module__ == module.__name__]
        if own:
            found[path] = own
        schema = vars(module).get("schema")
        if isinstance(schema, SchemaDefinition) and all(schema is not each for each in schemas.values()):
            schemas[path] = schema
        declared = vars(module).get("crons")
        if isinstance(declared, CronJobs) and all(declared is not each for each in crons.values()):
            crons[path] = declared
        router = vars(module).get("http")
        if isinstance(router, HttpRouter) and all(router is not each for each in routers.values()):
            routers[path] = router
        configuration = vars(module).get("auth_config")
        if isinstance(configuration, Mapping) and all(configuration is not each for each in providers.values()):
            providers[path] = configuration
        used = vars(module).get("uses")
        if is_uses(used) and all(used is not each for each in uses.values()):
            uses[path] = used
    if "schema" in schemas:
        # Who imported it before its file was changed has the former one.
        schemas = {"schema": schemas["schema"]}
    if len(schemas) > 1:
        raise SchemaDefinitionError(
            f"{' and '.join(schemas)} of {name!r} each define a `schema`: a deployment has one. Nothing changed."
        )
    if len(crons) > 1:
        raise SchedulingError(
            f"{' and '.join(crons)} of {name!r} each define `crons`: a deployment has one set. Nothing changed.",
            when=name,
        )
    if len(routers) > 1:
        raise SchemaDefinitionError(
            f"{' and '.join(routers)} of {name!r} each define `http`: a deployment has one router. Nothing changed."
        )
    if len(providers) > 1:
        raise SchemaDefinitionError(
            f"{' and '.join(providers)} of {name!r} each define `auth_config`: a deployment has one. Nothing changed."
        )
    if len(uses) > 1:
        raise ComponentError(
            f"{' and '.join(uses)} of {name!r} each define `uses`: a deployment has one list of components. Nothing "
            "changed."
        )
    if not (found or schemas or crons or routers or providers or uses):
        raise FunctionNotFoundError(
            f"{name!r} defines no function, and nothing changed: decorate what it offers with `@query` or `@mutation`.",
            path=name,
        )
    return Loaded(
        found,
        next(iter(schemas.values()), None),
        next(iter(crons.values()), None),
        next(iter(routers.values()), None),
        next(iter(providers.values()), None),
        next(iter(uses.values()), None),
    )


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
