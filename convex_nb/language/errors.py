"""The error tree.

Every error says what happened, where, what was not done and what to do, and carries the parts as attributes.
Attributes survive pickling, so that an error can cross a process boundary.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from convex_nb.language.describing import describe


def _rebuild(error_type: type[ConvexNbError], args: tuple[Any, ...], state: dict[str, Any]) -> ConvexNbError:
    error = error_type.__new__(error_type)
    error.args = args
    error.__dict__.update(state)
    return error


class ConvexNbError(Exception):
    """The base of every error that this package raises on purpose."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with `args`, which are the finished message and not the constructor's parameters.
        return _rebuild, (type(self), self.args, self.__dict__)


class InvalidValueError(ConvexNbError, ValueError, TypeError):
    """A value that Convex has no type for, or that breaks a rule of its type.

    `reason` is the sentence without the place, `path` the place inside the value (`.a[0]`), `value` the offender.
    """

    def __init__(self, reason: str, *, path: str = "", value: object = None) -> None:
        self.reason = reason
        self.path = path
        self.value = value
        super().__init__(f"{reason}\nPath: {path}" if path else reason)

    def inside(self, step: str) -> InvalidValueError:
        """Return this error with `step` put before its path: the same finding, seen from the container around it."""
        if step:
            self.path = step + self.path
            self.args = (f"{self.reason}\nPath: {self.path}",)
        return self


class ValidationError(ConvexNbError, ValueError):
    """A value that does not fit a validator.

    `reason` is the sentence, `path` the place (`.a[0].b`, empty at the top), `value` the part that does not fit,
    `validator` what it should have fitted, written as code, and `subject` whose value it is: a function's path.
    """

    def __init__(
        self, reason: str, *, path: str = "", value: object = None, validator: str = "", subject: str = ""
    ) -> None:
        self.reason = reason
        self.path = path
        self.value = value
        self.validator = validator
        self.subject = subject
        super().__init__(self._text())

    def _text(self) -> str:
        text = f"{self.reason}\nPath: {self.path}" if self.path else self.reason
        if self.validator:
            # The reference sets what is said about an object apart from what is said about any other value.
            label = "\n\nObject" if self.reason.startswith("Object ") else "\nValue"
            text += f"{label}: {describe(self.value)}\nValidator: {self.validator}"
        return f"{text}\nFunction: {self.subject}" if self.subject else text

    def as_type(self, error_type: type[ValidationError], subject: str = "") -> ValidationError:
        """Return the same finding as an error of another class of this family, about `subject`."""
        return error_type(
            self.reason, path=self.path, value=self.value, validator=self.validator, subject=subject or self.subject
        )


class ArgumentValidationError(ValidationError):
    """A function was called with arguments that its `args` validator refuses; it did not run."""


class ReturnValidationError(ValidationError):
    """A function returned a value that its `returns` validator refuses; what it wrote was rolled back."""


class SchemaValidationError(ValidationError):
    """A document does not match its table's schema and was not stored. `table` names the table, and for a document
    that is stored already `document_id` names it; `document_ids` are those of the first ten that a push met."""

    document_ids: tuple[str, ...] = ()

    def __init__(
        self,
        reason: str,
        *,
        path: str = "",
        value: object = None,
        validator: str = "",
        subject: str = "",
        table: str = "",
        document_id: str | None = None,
    ) -> None:
        self.table = table or subject
        self.document_id = document_id
        super().__init__(reason, path=path, value=value, validator=validator)

    def _text(self) -> str:
        if self.document_id is not None:
            head = f'Document with ID "{self.document_id}" in table "{self.table}" does not match the schema: '
        elif self.table:
            head = (
                f'Failed to insert or update a document in table "{self.table}" because it does not match the schema: '
            )
        else:
            head = ""
        return head + super()._text()

    def of_stored(self, table: str, document_id: str) -> SchemaValidationError:
        """Return the same finding about a document that is stored already."""
        return SchemaValidationError(
            self.reason,
            path=self.path,
            value=self.value,
            validator=self.validator,
            table=table,
            document_id=document_id,
        )


class ConvexError(ConvexNbError):
    """An application's own error: `data` is any Convex value and reaches the caller as it is.

    Raises `InvalidValueError` for data that is none.
    """

    def __init__(self, data: Any = None) -> None:
        # It raises the errors of this module.
        from convex_nb.language.normalisation import to_value

        self.data = to_value(data)
        super().__init__(self.data if isinstance(self.data, str) else describe(self.data))


class ServerError(ConvexNbError, RuntimeError):
    """What a client is told in production of an error that is none of its business; `path`, `request_id`.

    The log has the whole error under that request.
    """

    def __init__(self, message: str, *, path: str = "", request_id: str = "") -> None:
        self.path = path
        self.request_id = request_id
        super().__init__(message)


class FunctionNotFoundError(ConvexNbError, LookupError):
    """No function has this path, or the caller may not see it; `path`, and `available` paths that are near."""

    def __init__(self, message: str, *, path: str = "", available: Iterable[str] = ()) -> None:
        self.path = path
        self.available = tuple(available)
        super().__init__(message)


class DeterminismError(ConvexNbError, RuntimeError):
    """A query or mutation tried something that only an action may do; `operation` names it."""

    def __init__(self, message: str, *, operation: str = "") -> None:
        self.operation = operation
        super().__init__(message)


class LimitError(ConvexNbError, RuntimeError):
    """A limit was exceeded and the function or write was aborted; `kind`, `limit`, `used`."""

    def __init__(self, message: str, *, kind: str = "", limit: float = 0, used: float = 0) -> None:
        self.kind = kind
        self.limit = limit
        self.used = used
        super().__init__(message)


class UploadTokenError(ConvexNbError, PermissionError):
    """A URL to upload to that is not one, or not any more; `code` is the reference's for it. Nothing was stored."""

    def __init__(self, message: str, *, code: str = "") -> None:
        self.code = code
        super().__init__(message)


class WriteConflictError(ConvexNbError, RuntimeError):
    """Other writes kept changing what a mutation read; `table`, `document_id`, and `source`, the other function.

    A transaction block runs once: there it is one other write, while the block was open.
    """

    def __init__(
        self, table: str, document_id: str | None = None, source: str | None = None, *, in_block: bool = False
    ) -> None:
        self.table = table
        self.document_id = document_id
        self.source = source
        text = (
            f'Documents read from or written to the table "{table}" changed while this mutation was being run '
            "and on every subsequent retry."
        )
        if document_id is not None:
            caller = f'A call to "{source}"' if source else "Another call to this mutation"
            text += f' {caller} changed the document with ID "{document_id}".'
        if in_block:
            text += (
                " Nothing was written. A transaction block runs once: run it again, or write it as a function and give "
                "it to `dep.transact`, which does so by itself."
            )
        super().__init__(text)


class InvalidIdError(ConvexNbError, ValueError):
    """A text that is not a document id, or one of another table; `id` is the text, `table` the expected table."""

    def __init__(self, message: str, *, id: str = "", table: str | None = None) -> None:
        self.id = id
        self.table = table
        super().__init__(message)


class DocumentNotFoundError(ConvexNbError, LookupError):
    """A write named a document that does not exist; `document_id`, and `table` where it is known."""

    def __init__(self, message: str, *, document_id: str = "", table: str | None = None) -> None:
        self.document_id = document_id
        self.table = table
        super().__init__(message)


class IndexNotFoundError(ConvexNbError, LookupError):
    """A query named an index that its table does not have (or that is still staged); `table`, `index`, `available`."""

    def __init__(
        self, table: str, index: str, available: Iterable[str] = (), *, staged: bool = False, kind: str = "index"
    ) -> None:
        self.table = table
        self.index = index
        self.available = tuple(available)
        self.staged = staged
        text = f"Index {table}.{index} not found."
        if staged:
            text = f"Index {table}.{index} is staged: it cannot be queried until `staged` is removed in a later push."
        elif kind == "searched":
            text = (
                f"Index {table}.{index} is one to search: text with .with_search_index({index!r}, lambda q: "
                f"q.search(...)), vectors in an action with ctx.vector_search({table!r}, {index!r}, vector=...)."
            )
        elif self.available or kind != "index":
            has = ", ".join(self.available) or f"no .{kind}(...)"
            call = {"index": "[...]", "search_index": "search_field=...", "vector_index": "vector_field=..., ..."}[kind]
            text += f" The table has: {has}. Declare it in the schema: .{kind}({index!r}, {call})."
        super().__init__(text)


class IndexRangeError(ConvexNbError, ValueError):
    """An index range that does not follow its index's fields; `table`, `index`, `fields`, `field`."""

    def __init__(
        self, message: str, *, table: str = "", index: str = "", fields: Sequence[str] = (), field: str | None = None
    ) -> None:
        self.table = table
        self.index = index
        self.fields = tuple(fields)
        self.field = field
        super().__init__(message)


class SearchError(ConvexNbError, ValueError):
    """A search that its index cannot answer: another field, a filter that is not declared, a vector of the wrong
    length; `table`, `index`, `field`."""

    def __init__(self, message: str, *, table: str = "", index: str = "", field: str | None = None) -> None:
        self.table = table
        self.index = index
        self.field = field
        super().__init__(message)


class SchemaDefinitionError(ConvexNbError, ValueError, TypeError):
    """A validator, table, index or schema that is wrong where it is written; `table`, `index`, `field` if known."""

    def __init__(
        self, message: str, *, table: str | None = None, index: str | None = None, field: str | None = None
    ) -> None:
        self.table = table
        self.index = index
        self.field = field
        super().__init__(message)


class ComponentError(ConvexNbError, ValueError):
    """A component that cannot be defined, installed or removed, or something that is not to be had inside of one."""

    def __init__(self, message: str, *, component: str = "") -> None:
        self.component = component
        super().__init__(message)


class SchedulingError(ConvexNbError, ValueError):
    """A time or delay at which nothing can be scheduled; `when` is what was given. Nothing was scheduled."""

    def __init__(self, message: str, *, when: object = None) -> None:
        self.when = when
        super().__init__(message)


class AuthenticationError(ConvexNbError, PermissionError):
    """A client is not who it says it is, or nobody here can tell; `code` is the wire's, such as "NoAuthProvider"."""

    def __init__(self, message: str, *, code: str = "") -> None:
        self.code = code
        super().__init__(message)


class ServingError(ConvexNbError, OSError):
    """A deployment cannot be served at this `port`. Nothing is served."""

    def __init__(self, message: str, *, port: int = 0) -> None:
        self.port = port
        super().__init__(message)


class MissingDependencyError(ConvexNbError, ImportError):
    """An extra of this package is not installed; `package` is what is missing."""

    def __init__(self, message: str, *, package: str = "") -> None:
        self.package = package
        super().__init__(message)


class DeploymentPausedError(ConvexNbError, RuntimeError):
    """The deployment is paused: no function runs until `resume()`."""


class NotUniqueError(ConvexNbError, LookupError):
    """`unique()` met a second document; `table`, and `document_ids` of the first two."""

    def __init__(self, message: str, *, table: str = "", document_ids: Iterable[str] = ()) -> None:
        self.table = table
        self.document_ids = tuple(document_ids)
        super().__init__(message)


class InvalidCursorError(ConvexNbError, ValueError):
    """A pagination cursor of another query, or a text that is no cursor; `data` is the wire's error data."""

    def __init__(self, message: str, *, cursor: str | None = None) -> None:
        self.cursor = cursor
        self.data = {"isConvexSystemError": True, "paginationError": "InvalidCursor"}
        super().__init__(message)


class ReadOnlyError(ConvexNbError, TypeError, AttributeError):
    """A write to something read-only: a document in hand, the `db` of a query, a past state, a deployment opened for
    reading. An `AttributeError` too, as what is read-only lacks the methods that write."""


class DeploymentClosedError(ConvexNbError, RuntimeError):
    """The deployment was closed, or is used in a forked child."""


class DeploymentLockedError(ConvexNbError, RuntimeError):
    """Another process holds the durable file; `path`, `holder`, `process_id`."""

    def __init__(
        self, message: str, *, path: str = "", holder: str | None = None, process_id: int | None = None
    ) -> None:
        self.path = path
        self.holder = holder
        self.process_id = process_id
        super().__init__(message)


class HistoryError(ConvexNbError, LookupError):
    """A past state that is not kept any more; `timestamp` was asked for, `oldest` can be read, in nanoseconds."""

    def __init__(self, message: str, *, timestamp: int = 0, oldest: int = 0) -> None:
        self.timestamp = timestamp
        self.oldest = oldest
        super().__init__(message)


class StorageCorruptError(ConvexNbError, RuntimeError):
    """Stored bytes do not say what they should, and were not served; `path` and, where it is known, `table`."""

    def __init__(self, message: str, *, path: str = "", table: str | None = None) -> None:
        self.path = path
        self.table = table
        super().__init__(message)


class StorageError(ConvexNbError, OSError):
    """A durable file cannot be used as asked: no room, not there, not writable; `path`. Nothing was written."""

    def __init__(self, message: str, *, path: str = "") -> None:
        self.path = path
        super().__init__(message)


class CommitInDoubtError(StorageError):
    """The server was lost while a commit was on its way: whether it arrived is not known yet. Look, then go on."""


class StorageExistsError(StorageError, FileExistsError):
    """Something is stored at `path` already, and was left as it is."""


class StorageVersionError(ConvexNbError, RuntimeError):
    """A durable file of a newer version than this one reads; `path`, its `version`, and `newest`, which is read."""

    def __init__(self, message: str, *, path: str = "", version: int = 0, newest: int = 0) -> None:
        self.path = path
        self.version = version
        self.newest = newest
        super().__init__(message)


class SqlError(ConvexNbError, ValueError):
    """A SQL statement that could not be run; `sql` is its text."""

    def __init__(self, message: str, *, sql: str = "") -> None:
        self.sql = sql
        super().__init__(message)
