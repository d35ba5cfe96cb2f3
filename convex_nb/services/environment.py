"""Environment variables: texts that belong to a deployment and not to its code, such as the keys of other services.

Nothing here ever puts a value into a message, a log line or a repr.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NoReturn

from convex_nb.functions.components.boundary import not_inside
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError, LimitError, ReadOnlyError
from convex_nb.language.keys import MAX_KEY, MIN_KEY, encode_key, successor

if TYPE_CHECKING:
    from convex_nb.engine.reading.system_reader import SystemWriter
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.functions.execution import Execution
    from convex_nb.language.documents import Document
    from convex_nb.language.limits import Limits

TABLE: Final = "_environment"
_RANGE: Final = (TABLE, "by_name")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class Variables(Mapping[str, str]):
    """Environment variables by name. Shows their names, never their values.

    `read(lo, hi)` gives the documents whose keys by name lie in a range; what they do not say `system` may.
    """

    def __init__(
        self, read: Callable[[bytes, bytes], Sequence[Document]], system: Mapping[str, str] | None = None
    ) -> None:
        self._read = read
        self._system = system or {}

    def __getitem__(self, name: str) -> str:
        found = self._read(encode_key(name), successor(encode_key(name))) if isinstance(name, str) else ()
        if not found:
            if name in self._system:
                return self._system[name]
            raise KeyError(f"There is no environment variable {name!r}. Set it with `dep.env[...] = ...`.")
        value: str = found[0]["value"]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._system, *[variable["name"] for variable in self._read(MIN_KEY, MAX_KEY)]}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __setitem__(self, name: str, value: str) -> NoReturn:
        raise ReadOnlyError(
            f"A function cannot set the environment variable {name!r}: set it from outside, with `dep.env[...] = ...`."
        )

    def __repr__(self) -> str:
        names = ", ".join(self)
        return f"environment variables: {names}" if names else "no environment variables"


class EnvironmentService:
    """Gives each call its `ctx.env`. What a query asks of it, the query depends on.

    `system` is what is there without having been set; whoever changes it has queries run again.
    """

    def __init__(self) -> None:
        self.system: dict[str, str] = {}

    def bind(self, execution: Execution, /) -> Variables:
        """`ctx.env` for one call; an action sees each change at once. Raises `ComponentError` inside of a component."""
        if execution.component:
            raise not_inside(execution.component, "env", "a key")
        database = execution.runner.database

        def read(lo: bytes, hi: bytes) -> Sequence[Document]:
            transaction = execution.transaction
            return read_variables(database.head, lo, hi) if transaction is None else transaction.read(*_RANGE, lo, hi)

        return Variables(read, self.system)


def read_variables(snapshot: Snapshot, lo: bytes, hi: bytes) -> Sequence[Document]:
    """The variables of a snapshot in a range of keys by name."""
    state = snapshot.table(TABLE)
    return () if state is None else state.read(state.position("by_name"), lo, hi, None, False)


def set_variables(writer: SystemWriter, values: Mapping[str, str], limits: Limits) -> list[tuple[str, str]]:
    """Set variables whose names and values are checked; `"created"` or `"updated"` for each that changed.

    Raises `LimitError` where they would be too many.
    """
    changes = []
    for name, value in values.items():
        former = writer.query(TABLE).with_index("by_name", name=name).first()
        if former is None:
            writer.insert(TABLE, {"name": name, "value": value})
            changes.append(("created", name))
        elif former["value"] != value:
            writer.patch(former["_id"], {"value": value})
            changes.append(("updated", name))
    number = writer.query(TABLE).count() if changes else 0
    if number > limits.environment_variables:
        raise LimitError(
            f"There would be {number} environment variables; at most {limits.environment_variables} are allowed. "
            "None was set.",
            kind="environment_variables",
            limit=limits.environment_variables,
            used=number,
        )
    return changes


def unset_variable(writer: SystemWriter, name: str) -> bool:
    """Remove a variable; whether it was there."""
    former = writer.query(TABLE).with_index("by_name", name=name).first()
    if former is not None:
        writer.delete(former["_id"])
    return former is not None


def check_variable(name: object, value: object, limits: Limits) -> None:
    """Raise `InvalidValueError` or `LimitError` for what cannot be a variable."""
    most = limits.environment_name_length
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or len(name) > most:
        raise InvalidValueError(
            f"{describe(name, 80)} cannot be the name of an environment variable: write at most {most} letters, digits "
            "and underscores, a letter first. Nothing was set.",
            value=name,
        )
    if not isinstance(value, str):
        raise InvalidValueError(
            f"The environment variable {name!r} is a string, not {type(value).__name__}. Nothing was set."
        )
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidValueError(
            f"The environment variable {name!r} is not valid Unicode text. Nothing was set."
        ) from None
    if size > limits.environment_value_bytes:
        raise LimitError(
            f"The environment variable {name!r} has {size} bytes; at most {limits.environment_value_bytes} fit. "
            "Nothing was set.",
            kind="environment_value_bytes",
            limit=limits.environment_value_bytes,
            used=size,
        )
