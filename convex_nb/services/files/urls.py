"""The URLs of files: to fetch one by, and to send one to."""

from __future__ import annotations

import base64
import hmac
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, quote, urlsplit

from convex_nb.language.describing import describe
from convex_nb.language.errors import LimitError, UploadTokenError

if TYPE_CHECKING:
    from convex_nb.language.limits import Limits
    from convex_nb.services.files.stored_file import StoredFile

PATH: Final = "/api/storage/"
UPLOAD_PATH: Final = "/api/storage/upload"
UPLOAD_MS: Final = 3_600_000
"""How long an upload URL is good for."""
_TIME_BYTES: Final = 6
NONCE_BYTES: Final = 7
_SIGNATURE_BYTES: Final = 32


class FileUrls:
    """Makes URLs. Those of uploads are signed, and good for this process only."""

    def __init__(self) -> None:
        self.base: str | None = None
        """What URLs begin with, such as `http://127.0.0.1:3210`, while a server answers them."""
        self._secret = secrets.token_bytes(32)

    def of_file(self, file: StoredFile, token: str, limits: Limits) -> str:
        """The URL of a file: the server's, else one that has the whole file in it.

        Raises `LimitError` where there is no server and the file is too large for that.
        """
        if self.base is not None:
            return f"{self.base}{PATH}{token}"
        limit = limits.file_data_url_bytes
        if file.size > limit:
            raise LimitError(
                f"The file {file.id} has {file.size:,} bytes. Without a server its URL has to contain the whole file, "
                f"which is done up to {limit:,} bytes. Start one with `dep.serve()`, or read the file with "
                "`dep.files[id]`, or in an action with `ctx.storage.get(id)`.",
                kind="file_data_url_bytes",
                limit=limit,
                used=file.size,
            )
        content_type = quote(file.content_type or "application/octet-stream", safe="/;=+-._")
        return f"data:{content_type};base64,{base64.b64encode(file.read()).decode()}"

    def new_upload(self, now_ms: float, nonce: int, component: str = "") -> str:
        """A URL to send files to within the next hour; while there is no server, relative to whichever will be.

        They become files of the application, or of the component at this path.
        """
        body = int(now_ms + UPLOAD_MS).to_bytes(_TIME_BYTES, "big") + nonce.to_bytes(NONCE_BYTES, "big")
        body += component.encode()
        token = base64.urlsafe_b64encode(body + self._signature(body)).decode()
        return f"{self.base or ''}{UPLOAD_PATH}?token={token}"

    def check_upload(self, token: str, now_ms: float) -> str:
        """Return the path of the component whose file it will be.

        Raises `UploadTokenError` for a token that was not given out here, or too long ago.
        """
        try:
            data = base64.urlsafe_b64decode(token.encode())
        except ValueError:
            data = b""
        body, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(body)):
            raise UploadTokenError(
                "This is no upload URL of this deployment, or one from before it was opened: nothing was stored. Ask "
                "for a new one.",
                code="StorageTokenInvalid",
            )
        if now_ms > int.from_bytes(body[:_TIME_BYTES], "big"):
            raise UploadTokenError(
                "This upload URL is older than an hour: nothing was stored. Ask for a new one.",
                code="StorageTokenExpired",
            )
        return body[_TIME_BYTES + NONCE_BYTES :].decode()

    def _signature(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, "sha256")


def token_of(url: object) -> str:
    """The token of an upload URL. Raises `UploadTokenError`."""
    parts = urlsplit(url) if isinstance(url, str) else None
    tokens = [] if parts is None else parse_qs(parts.query).get("token", [])
    if parts is None or not parts.path.endswith(UPLOAD_PATH) or len(tokens) != 1:
        raise UploadTokenError(
            f"This is no upload URL, as `ctx.storage.generate_upload_url()` gives: {describe(url, 80)}. Nothing was "
            "stored.",
            code="StorageTokenInvalid",
        )
    return tokens[0]
