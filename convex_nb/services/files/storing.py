"""Storing a file: its bytes first, then the commit that tells of it."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any, Final

from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidValueError
from convex_nb.services.files.content import NOTHING, check_content_type, content_of
from convex_nb.services.files.file_table import add_file
from convex_nb.services.system_writes import write_system

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.engine.database import Database
    from convex_nb.language.values import Id

_HEXADECIMAL: Final = re.compile(r"[0-9a-fA-F]{64}")


def store_file(
    database: Database,
    data: Any,
    source: str,
    *,
    content_type: str | None = None,
    sha256: str | bytes | None = None,
    count: Callable[[int], None] | None = None,
    component: str = "",
) -> Id:
    """Store a file of the application or of a component and commit it; its id.

    `source` is what others that conflict with it are told.
    `count` is told how many bytes were written. Raises `InvalidValueError` for what cannot be stored, and where the
    digest of the bytes is not `sha256`; `StorageError`. Has at most two mebibytes in memory beside what was given.
    """
    wanted = None if sha256 is None else parse_digest(sha256)
    check_content_type(content_type)
    content = content_of(data)
    kind = check_content_type(content.content_type if content_type is None else content_type)
    with database.files.writing() as writer:
        for piece in content.pieces:
            writer.write(piece)
            if count is not None:
                count(len(piece))
        if wanted not in (None, writer.sha256):
            raise InvalidValueError(
                f"The bytes are not those that were meant: their sha256 is {writer.sha256}, not {wanted}. {NOTHING}",
                value=wanted,
            )
        return write_system(database, lambda system: add_file(system, writer, kind), source, component)


def parse_digest(digest: str | bytes) -> str:
    """A sha256 as hexadecimal digits, given as that, in base64, as 32 bytes, or as the header `sha-256=<base64>`."""
    if isinstance(digest, bytes) and len(digest) == 32:
        return digest.hex()
    if isinstance(digest, str):
        text = digest.strip()
        if _HEXADECIMAL.fullmatch(text):
            return text.lower()
        if text.lower().startswith("sha-256="):
            text = text[len("sha-256=") :]
        try:
            decoded = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            decoded = b""
        if len(decoded) == 32:
            return decoded.hex()
    raise InvalidValueError(
        f"sha256 is a digest of 64 hexadecimal digits, as `hashlib.sha256(data).hexdigest()` gives, or in base64, not "
        f"{describe(digest, 80)}. {NOTHING}",
        value=digest,
    )
