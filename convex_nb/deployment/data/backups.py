"""Backups of a deployment: one now, one now and then, and back again."""

from __future__ import annotations

import logging
import threading
import weakref
from datetime import datetime, timedelta
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convex_nb.deployment.data.past import timestamp_of
from convex_nb.deployment.data.progress import shown_progress
from convex_nb.deployment.foundation import Foundation
from convex_nb.engine.postgres.address import refuse_address
from convex_nb.language.errors import DeploymentClosedError, InvalidValueError

if TYPE_CHECKING:
    from convex_nb.deployment.data.past import When
    from convex_nb.deployment.data.progress import Progress

_LOOKS_EVERY: Final = 60.0
log: Final = logging.getLogger("convex_nb")


class Backups(Foundation):
    """What a deployment does so that nothing is lost for good."""

    def backup(self, path: str | PathLike[str]) -> Path:
        """Write everything as of now to a new durable file, while commits go on; return its path.

        In a folder it is called `backup_<time>.convex`. `convex_nb.open(path)` opens it like any other,
        `convex_nb.verify_backup(path)` checks it, `restore(path)` brings it back. Raises `StorageExistsError` and
        `StorageError`. Costs what writing all documents costs.
        """
        from convex_nb.services.backup import write_backup

        self._check_open()
        refuse_address(path, "backed up")
        if str(path).lower().endswith(".zip"):
            raise InvalidValueError(
                f"A backup is a durable file, and {str(path)!r} is called like a ZIP file: nothing was written. Call "
                "it `.convex`, or write a ZIP with `export`.",
                value=str(path),
            )
        return write_backup(self._database, path)

    def backup_every(self, every: timedelta, folder: str | PathLike[str], *, keep: int = 7) -> PeriodicBackup:
        """Back up to a folder whenever the newest backup in it is older than `every`, from now on; `stop()` ends it.

        Each is verified; then all but the newest `keep` of the folder are deleted. It ends with the deployment.
        """
        self._check_open()
        refuse_address(folder, "backed up")
        if not isinstance(every, timedelta) or every <= timedelta(0):
            raise InvalidValueError(
                f"every is the time between two backups, a timedelta, not {every!r:.80}.", value=every
            )
        if type(keep) is not int or keep < 1:
            raise InvalidValueError(f"keep is how many backups stay, from 1 on, not {keep!r:.80}.", value=keep)
        place = Path(folder).expanduser()
        if not place.is_dir():
            raise InvalidValueError(f"There is no folder {place} for backups.", value=str(folder))
        return PeriodicBackup(self, every, place, keep)

    def restore(self, source: str | PathLike[str] | When, *, progress: Progress | None = None) -> dict[str, int]:
        """Put the documents of a backup, or of a moment that is kept, in place of all that there are.

        `source` is the path of a backup, a durable file or a ZIP; or a commit timestamp, a datetime, a timedelta for
        how long ago. It is one commit; ids and creation times are kept, and files stay. The documents have to fit the
        schema in force. Returns how many each table has. Raises `SchemaValidationError`, `StorageError`,
        `HistoryError`; nothing changes then.
        """
        from convex_nb.services.backup import restore_backup, restore_snapshot
        from convex_nb.services.transfer.tables_import import import_content
        from convex_nb.services.transfer.zip_import import opened_zip

        self._check_open()
        refuse_address(source, "restored")
        with shown_progress("restoring", progress) as report:
            if isinstance(source, (int, datetime, timedelta)):
                moment = timestamp_of(source, self._database.clock.now_ns())
                counts = restore_snapshot(self._database, self._database.at(moment), self._database.files, report)
            elif str(source).lower().endswith(".zip"):
                path = Path(source).expanduser()
                with opened_zip(path, path.name) as content:
                    counts = import_content(self._database, content, "replace_all", report)
            else:
                counts = restore_backup(self._database, source, report)
        self._after_commit()
        return counts


class PeriodicBackup:
    """Backups that are taken now and then, on a thread of their own, until `stop()` or the end of the deployment."""

    def __init__(self, deployment: Backups, every: timedelta, folder: Path, keep: int) -> None:
        self.every = every
        self.folder = folder
        self.keep = keep
        self.last: Path | None = None
        """The newest one that was taken."""
        self.error: Exception | None = None
        """Why the last attempt failed, if it did; it is made again a minute later."""
        self._deployment = weakref.ref(deployment)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="convex_nb backups", daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        state = "stopped" if self._stopped.is_set() else f"every {self.every}"
        return f"<PeriodicBackup to {self.folder}: {state}, the newest {self.keep} kept>"

    def stop(self) -> None:
        """Take no more; one that is under way is completed first."""
        self._stopped.set()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout=30)

    def take_if_due(self) -> float:
        """Take one if the newest is too old; seconds until it is to be looked again."""
        from convex_nb.services.backup import age_of_newest, prune_backups, verify_backup

        deployment = self._deployment()
        if deployment is None or deployment._closed is not None:
            self._stopped.set()
            return 0.0
        age = age_of_newest(self.folder, deployment._database.clock.now_ns())
        if age is not None and age < self.every:
            return min((self.every - age).total_seconds(), _LOOKS_EVERY)
        path = deployment.backup(self.folder)
        verify_backup(path)
        prune_backups(self.folder, self.keep)
        self.last, self.error = path, None
        return min(self.every.total_seconds(), _LOOKS_EVERY)

    def _run(self) -> None:
        seconds = 0.0
        while not self._stopped.wait(seconds):
            try:
                seconds = self.take_if_due()
            except DeploymentClosedError:
                return
            except Exception as error:
                if self.error is None:
                    log.exception("convex_nb: the backup to %s failed; it is tried again", self.folder)
                self.error = error
                seconds = _LOOKS_EVERY
