"""Where a PostgreSQL database is and who asks for it, in words that never contain a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from convex_nb.language.errors import InvalidValueError, MissingDependencyError

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMES: Final = ("postgresql://", "postgres://")
CONNECT_SECONDS: Final = 10
SILENCE_MS: Final = 10_000
"""A server that acknowledges nothing for so long is gone: whoever commits waits for it."""


def is_address(place: object) -> bool:
    """Whether this is the address of a PostgreSQL database."""
    return isinstance(place, str) and place.startswith(SCHEMES)


def refuse_address(path: object, verb: str) -> None:
    """Raise ``InvalidValueError`` where a file is wanted, for an address, which may have a password."""
    if is_address(path):
        raise InvalidValueError(
            f"This is the address of a PostgreSQL database, where the path of a file is wanted: nothing was {verb}. "
            "`dep.save` goes on there with everything, and `convex_nb.open` opens what is there.",
            value=None,
        )


def driver() -> Any:
    """The module `psycopg`. Raises ``MissingDependencyError`` where the extra is not installed."""
    try:
        import psycopg
    except ImportError as error:
        raise MissingDependencyError(
            "A deployment in PostgreSQL needs psycopg, which is not installed here: `pip install convex-nb[postgres]`. "
            "Nothing was opened.",
            package="psycopg",
        ) from error
    return psycopg


class Address:
    """A connection URI as libpq understands it. Its words have no password and no other parameter."""

    def __init__(self, uri: str) -> None:
        """Raises ``InvalidValueError`` for what is no URI, without quoting it, and ``MissingDependencyError``."""
        psycopg = driver()
        try:
            parts = psycopg.conninfo.conninfo_to_dict(uri)
        except psycopg.Error:
            raise _unreadable() from None
        # A password with an unescaped "@" or "/" ends up in one of these.
        named = {name: str(parts.get(name) or "") for name in ("user", "host", "port", "dbname")}
        if any("@" in text or "://" in text for text in named.values()) or not _is_port(named["port"]):
            raise _unreadable()
        self._parts: dict[str, Any] = parts
        host = "" if named["host"].startswith("/") else named["host"]
        port = f":{named['port']}" if named["port"] and host else ""
        user = f"{named['user']}@" if named["user"] else ""
        self.text = f"postgresql://{user}{host}{port}/{named['dbname']}"
        """What it is called in messages."""
        self.database = named["dbname"] or "postgres"
        """The database's name."""

    def __repr__(self) -> str:
        return f"Address({self.text!r})"

    def connect(self, *, limited: bool = False) -> Connection[Any]:
        """A new connection, each of whose statements is a transaction. Raises ``psycopg.Error``.

        With ``limited``, a statement that the server does not answer closes it.
        """
        connection_class = driver().Connection
        if limited:
            from convex_nb.engine.postgres.limited_connection import LimitedConnection

            connection_class = LimitedConnection
        defaults = {
            "connect_timeout": CONNECT_SECONDS,
            "tcp_user_timeout": SILENCE_MS,
            "keepalives_idle": 5,
            "keepalives_interval": 2,
            "keepalives_count": 3,
            "application_name": "convex_nb",
        }
        connection: Connection[Any] = connection_class.connect(**{**defaults, **self._parts}, autocommit=True)
        return connection

    def without_secrets(self, text: str) -> str:
        """A text of the server's or the driver's, without this address's password."""
        password = self._parts.get("password")
        return text.replace(str(password), "***") if password else text


def _is_port(text: str) -> bool:
    return all(port.isdecimal() for port in text.split(",") if port)


def _unreadable() -> InvalidValueError:
    return InvalidValueError(
        "This is no address of a PostgreSQL database that can be read: it looks like "
        '"postgresql://user:password@host:5432/database". Characters of a password such as @ : / % are written with a '
        "percent sign, as `urllib.parse.quote` does; better, leave the password to PGPASSWORD or to ~/.pgpass. Nothing "
        "was opened. The address is not repeated here, since it may have a password.",
        value=None,
    )
