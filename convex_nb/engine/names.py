"""Table names as user code gives them."""

from __future__ import annotations

from functools import lru_cache

from convex_nb.language.errors import InvalidValueError, SchemaDefinitionError
from convex_nb.language.names import check_identifier
from convex_nb.language.qualified_names import SEPARATOR, component_of


def check_table_name(name: object) -> str:
    """``name`` if a user's table can be called so. Raises ``InvalidValueError``."""
    if not isinstance(name, str):
        raise InvalidValueError(f"A table is named by a string, got {name!r}.", value=name)
    return _checked(name)


@lru_cache(4096)
def _checked(name: str) -> str:
    if name.startswith("_"):
        raise InvalidValueError(
            f"System tables can only be accessed with db.system: {name!r} is the name of one. They are read-only.",
            value=name,
        )
    if SEPARATOR in name:
        component = component_of(name)
        raise InvalidValueError(
            f"{name!r} is a table of the component {component!r}, which only its own functions read and write: call "
            f"one of these. From outside of functions, it is `component={component!r}` beside the name.",
            value=name,
        )
    try:
        return check_identifier(name, "Table")
    except SchemaDefinitionError as error:
        raise InvalidValueError(str(error), value=name) from None
