"""A deployment as it was: what `dep.at(when)` gives."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from convex_nb.deployment.data.tables import Table, Tables
from convex_nb.deployment.files.files import StoredFiles
from convex_nb.functions.checks import check_arguments
from convex_nb.functions.definition import merge_arguments
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.services.files.urls import FileUrls

if TYPE_CHECKING:
    from convex_nb.engine.snapshot import Snapshot
    from convex_nb.engine.sql.sql_result import SqlResult
    from convex_nb.functions.registry import Target
    from convex_nb.functions.runner import Runner

When: TypeAlias = int | datetime | timedelta
"""A commit timestamp, a moment (without a zone: UTC), or how long ago."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def timestamp_of(when: When, now: int) -> int:
    """Return the nanoseconds since the epoch that `when` means. Raises `InvalidValueError`."""
    if isinstance(when, timedelta):
        return now - _nanoseconds(when)
    if isinstance(when, datetime):
        return _nanoseconds((when if when.tzinfo is not None else when.replace(tzinfo=UTC)) - _EPOCH)
    if isinstance(when, int) and not isinstance(when, bool):
        return when
    raise InvalidValueError(
        f"at() takes a commit timestamp (an int, as `dep.timestamp` is), a datetime, or a timedelta for how long ago, "
        f"not {describe(when, 80)}.",
        value=when,
    )


def _nanoseconds(duration: timedelta) -> int:
    return ((duration.days * 86_400 + duration.seconds) * 1_000_000 + duration.microseconds) * 1_000


class Past:
    """A deployment at one commit, read only. Holding it keeps that state in memory."""

    def __init__(self, runner: Runner, snapshot: Snapshot) -> None:
        self._runner = runner
        self._snapshot = snapshot

    def __repr__(self) -> str:
        moment = _EPOCH + timedelta(microseconds=self.timestamp // 1000)
        return f"<the deployment at {moment:%Y-%m-%d %H:%M:%S.%f} UTC: {len(self.tables)} tables>"

    @property
    def timestamp(self) -> int:
        """The commit whose state this is, nanoseconds since the epoch."""
        return self._snapshot.timestamp

    @property
    def tables(self) -> Tables:
        """The tables that existed, by name."""
        return Tables(lambda: self._snapshot)

    def table(self, name: str, *, component: str = "") -> Table:
        """A table as it was."""
        return Table(name, lambda: self._snapshot, component)

    @property
    def files(self) -> StoredFiles:
        """The files as they were, by id."""
        return StoredFiles(lambda: self._snapshot, self._runner.database, FileUrls())

    def sql(self, sql: str, parameters: Mapping[str, Any] | None = None, /, **given: Any) -> SqlResult:
        """Run one SELECT over the tables as they were: see `Deployment.sql`."""
        from convex_nb.deployment.data.sql import run_sql

        return run_sql(self._snapshot, sql, {**(parameters or {}), **given})

    def export(self, path: str | PathLike[str], table: str | None = None, *, include_files: bool = True) -> Path:
        """Write the tables as they were to a ZIP file, or one of them to a file: see `Deployment.export`."""
        from convex_nb.deployment.data.transfer import export_snapshot

        files = self._runner.database.files if include_files else None
        return export_snapshot(self._snapshot, path, table, None, files)

    def query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """Run today's query over the documents of then. Raises what the query raises."""
        runner = self._runner
        entry = runner.registry.find(function, "query")
        given = merge_arguments(entry.path, args, kwargs)
        result = runner.query(
            entry, check_arguments(entry.function, entry.path, given, runner.database), self._snapshot
        )
        if result.error is not None:
            raise result.error
        return result.value
