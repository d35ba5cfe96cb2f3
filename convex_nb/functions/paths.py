"""Function paths: `module:function`, and the other ways to write them."""

from __future__ import annotations

import re
from typing import Final

from convex_nb.language.describing import describe
from convex_nb.language.errors import SchemaDefinitionError

DEFAULT: Final = "default"
_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_PATH = re.compile(rf"{_SEGMENT}(/{_SEGMENT})*(:[A-Za-z_][A-Za-z0-9_]*)?")
_EXTENSIONS = (".py", ".js", ".ts")


def check_path(path: object) -> str:
    """Return the usual spelling of the path of a function that is being defined, or raise `SchemaDefinitionError`."""
    if not isinstance(path, str):
        raise SchemaDefinitionError(f'A function\'s path is a string such as "tasks:list", not {describe(path, 80)}.')
    if _PATH.fullmatch(path) is None:
        raise SchemaDefinitionError(
            f'{describe(path, 80)} is not a function\'s path: write "module:function", or "folder/module:function", in '
            "letters, digits and underscores."
        )
    return usual_spelling(path)


def usual_spelling(path: str) -> str:
    """Return the spelling under which a function is kept: `m.py:f` is `m:f`, `m:default` is `m`, `api.m.f` is `m:f`."""
    if path.startswith(("api.", "internal.")) and ":" not in path:
        *module, function = path.split(".")[1:]
        path = f"{'/'.join(module)}:{function}" if module else function
    module_path, _, function = path.partition(":")
    for extension in _EXTENSIONS:
        module_path = module_path.removesuffix(extension)
    return module_path if function in ("", DEFAULT) else f"{module_path}:{function}"


def join_path(module: str | None, name: str) -> str:
    """Return the path of the function `name` of a module; of one in no module it is the name alone."""
    return check_path(f"{module}:{name}" if module else name)
