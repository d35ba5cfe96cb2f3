"""A private PostgreSQL server for the tests: in a folder of its own, on a socket there, gone with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import quote

import psycopg

_numbers = count(1)

# The end of its input is the end of this process, however that came.
_WATCHDOG = """
import subprocess, sys
sys.stdin.read()
subprocess.run(sys.argv[2:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
subprocess.run(["rm", "-rf", sys.argv[1]])
"""


def binaries() -> Path | None:
    """The folder of the newest server that is installed, if one is."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    beside = shutil.which("pg_ctl")
    return None if beside is None or not shutil.which("initdb") else Path(beside).parent


class Server:
    """One cluster. Unless it is ``durable``, it does not wait for the disk."""

    def __init__(self, folder: Path, binaries: Path, *, durable: bool = False) -> None:
        self._durable = durable
        self.folder = folder
        self._binaries = binaries
        # PostgreSQL refuses to be root.
        self._as = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []

    def create(self) -> None:
        if self._as:
            shutil.chown(self.folder, user="postgres")
        self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "owner", "--no-sync", "-E", "UTF8")
        with (self.folder / "data" / "postgresql.conf").open("a") as file:
            file.write(
                f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\n"
                f"{'' if self._durable else 'fsync = off'}\n"
                "shared_buffers = 16MB\nmax_connections = 60\nautovacuum = off\nlog_min_messages = fatal\n"
            )
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text("local all stranger scram-sha-256\n" + rules.read_text())
        self.start()
        self.execute("create role stranger login password 'horse'; create role reader login")

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Stop the server when this ends, or when this process is killed: a killed test run leaves none behind."""
        stop = [*self._as, str(self._binaries / "pg_ctl"), "-D", str(self.folder / "data"), "-m", "immediate", "stop"]
        watchdog = subprocess.Popen(
            [sys.executable, "-c", _WATCHDOG, str(self.folder), *stop], stdin=subprocess.PIPE, start_new_session=True
        )
        try:
            yield
        finally:
            watchdog.communicate()

    def start(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", mode, "stop")

    def restart(self, mode: str = "fast") -> None:
        """With "immediate" it is as if it had crashed."""
        self.stop(mode)
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._as, str(self._binaries / program), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            cwd=self.folder,
        )
        assert done.returncode == 0, done.stderr

    def uri(self, database: str, *, user: str = "owner", password: str = "") -> str:
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={quote(str(self.folder), safe='')}"

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.uri(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The address of a new, empty database."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self.execute(f"create database {name}")
        return self.uri(name)


@contextmanager
def running_server(*, durable: bool = False) -> Iterator[Server | None]:
    """A server, or `None` where there is none to be had."""
    found = binaries()
    if found is None or (os.getuid() == 0 and not _has_user("postgres")):
        yield None
        return
    # A path of a socket has at most some hundred characters.
    with tempfile.TemporaryDirectory(prefix="cnb", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        server = Server(Path(folder), found, durable=durable)
        with server.watched():
            server.create()
            yield server


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
