"""Which table has which number, and which table an id is of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from convex_nb.engine.namespaces import ROOT, Namespace
from convex_nb.engine.system_tables import SYSTEM_TABLES
from convex_nb.language.errors import InvalidIdError, LimitError
from convex_nb.language.ids import FIRST_USER_TABLE, decode_id


class TableRegister:
    """The names of tables and the numbers that their ids carry. Safe for threads.

    A name gets its number once and keeps it, whether or not a document is ever committed; only an import gives it
    another one, that of the ids that it brings.
    """

    def __init__(self, most: int, gone: Callable[[], int]) -> None:
        """At most ``most`` tables besides the system's, the ``gone`` ones not counted, which were dropped."""
        self._most = most
        self._gone = gone
        self._numbers: dict[str, int] = {}
        self.names: dict[int, str] = {}
        """Table names by number. Only read by others."""
        self._former_names: dict[int, str] = {}
        self._next_number = FIRST_USER_TABLE
        self._prefixes: dict[str, str] = {}
        self._lock = threading.Lock()
        for name, table in SYSTEM_TABLES.items():
            self.remember(name, table.number)

    def number(self, name: str) -> int:
        """The number of a table, which is given out if it has none. Raises ``LimitError``."""
        number = self._numbers.get(name)
        if number is None:
            with self._lock:
                number = self._numbers.get(name)
                if number is None:
                    tables = len(self._numbers) - len(SYSTEM_TABLES) - self._gone()
                    if tables >= self._most:
                        raise LimitError(
                            f"A deployment holds at most {self._most} tables; {name!r} was not created.",
                            kind="tables",
                            limit=self._most,
                            used=tables + 1,
                        )
                    number = self._next_number
                    self.remember(name, number)
        return number

    def unused_number(self) -> int:
        """A number that no table has had."""
        with self._lock:
            number = self._next_number
            self._next_number += 1
            return number

    def take(self, number: int) -> None:
        """Give out only numbers after ``number`` to tables that have none."""
        with self._lock:
            self._next_number = max(self._next_number, number + 1)

    def remember(self, name: str, number: int) -> None:
        """This is the number of that table, now and later."""
        # It may have been another's: an import keeps the ids that it brings.
        self._prefixes.clear()
        former = self.names.get(number, name)
        if former != name and self._numbers.get(former) == number:
            del self._numbers[former]
        self.names[number] = name
        self._numbers[name] = number
        self._next_number = max(self._next_number, number + 1)

    def remember_former(self, tables: Iterable[tuple[str, int]]) -> None:
        """These tables had these numbers once: ids of then are still ids of them."""
        for name, number in tables:
            self._former_names[number] = name

    def named_by(self, id: object) -> str | None:
        """The whole name of the table whose number ``id`` carries; ``None`` if it is no id, or of no table."""
        try:
            return self.names.get(decode_id(id)[0]) if isinstance(id, str) else None
        except InvalidIdError:
            return None

    def table_of(self, id: str, operation: str, table: str | None = None, namespace: Namespace = ROOT) -> str | None:
        """The whole name of the table that an id belongs to, ``None`` for a table that this deployment never had.

        With ``table`` the id must be one of the table that is called so in ``namespace``. Raises ``InvalidIdError`` for
        what is no id, or one of a table that is not in ``namespace``.
        """
        # The numbers of most tables take the first sixteen bits, so that four characters tell the table. Whether
        # the rest is an id as well need only be known of those that name no document: see `check`.
        name = self._prefixes.get(id[:4]) if isinstance(id, str) and namespace.is_root else None
        if name is None:
            name = self.check(id, operation, namespace)
        if table is not None and name != table and name != namespace.table(table):
            shown = f'Id<"{name}">' if name is not None else "the id of a table that does not exist"
            raise InvalidIdError(
                f"Invalid argument `id` for `db.{namespace.operations}{operation}`: expected to be an "
                f'Id<"{table}">, got {shown} instead.',
                id=id,
                table=table,
            )
        return name

    def check(self, id: str, operation: str, namespace: Namespace = ROOT) -> str | None:
        """The table of a well-formed id, ``None`` for an unknown table.

        Raises ``InvalidIdError`` for what is no id, or one of a table that is not in ``namespace``.
        """
        operation = namespace.operations + operation
        if not isinstance(id, str):
            raise InvalidIdError(
                f"Invalid argument `id` for `db.{operation}`: expected an id, got {type(id).__name__}. "
                "Pass a document's `_id`.",
                id=repr(id),
            )
        try:
            number, _ = decode_id(id)
        except InvalidIdError as error:
            raise InvalidIdError(f"Invalid argument `id` for `db.{operation}`: {error}", id=id) from None
        name = self.names.get(number) or self._former_names.get(number)
        if name is not None and not namespace.holds(name):
            # The system reads its own tables by the numbers that it has given out, so this is somebody's mistake.
            raise InvalidIdError(
                f"Invalid argument `id` for `db.{operation}`: {namespace.refusal(name)}", id=id, table=name
            )
        if name is not None and 128 <= number < 16384 and namespace.is_root:
            self._prefixes[id[:4]] = name
        return name
