"""Files over HTTP: sent to the URLs that mutations give out, fetched whole or in part."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Final
from uuid import UUID

from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from convex_nb.language.errors import DeploymentClosedError, InvalidValueError, StorageError, UploadTokenError
from convex_nb.server.security import problem

if TYPE_CHECKING:
    from starlette.requests import Request

    from convex_nb.deployment.files.file import File
    from convex_nb.server.services import Services

IN_MEMORY: Final = 1 << 20
"""What an upload may have until it goes by way of a temporary file."""
CACHE: Final = "private, max-age=2592000"
_ACTIVE: Final = re.compile(r"html|xml", re.IGNORECASE)
"""Content types that a browser may find scripts in."""
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


class Storage:
    """The endpoints below `/api/storage`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def routes(self) -> list[Route]:
        """Both of them."""
        return [
            Route("/api/storage/upload", self.upload, methods=["POST"]),
            Route("/api/storage/{token:path}", self.fetch, methods=["GET"]),
        ]

    async def upload(self, request: Request) -> Response:
        """Store what is sent. Nothing is read before the token is known to be good."""
        token = request.query_params.get("token", "")
        files = self._services.remote.files
        try:
            files.check_upload(token)
            with closing(SpooledTemporaryFile(IN_MEMORY)) as spool:
                async for chunk in request.stream():
                    spool.write(chunk)
                spool.seek(0)
                id = await self._services.run(
                    files.accept_upload,
                    token,
                    spool,
                    request.headers.get("content-type"),
                    request.headers.get("digest"),
                )
        except UploadTokenError as error:
            return problem(401, error.code, str(error))
        except InvalidValueError as error:
            return problem(400, "BadUpload", str(error))
        except StorageError as error:
            return problem(507, "StorageFull", str(error))
        except DeploymentClosedError as error:
            return problem(503, "DeploymentClosed", str(error))
        return JSONResponse({"storageId": id})

    async def fetch(self, request: Request) -> Response:
        """Send a file, or the part of it that is asked for."""
        token = request.path_params["token"]
        try:
            UUID(token)
        except ValueError:
            return problem(400, "InvalidStoragePath", "The address of a file ends with a UUID.")
        file = await self._services.run(self._services.remote.files.by_token, token)
        if file is None:
            return problem(404, "FileNotFound", "There is no such file, or not any more.")
        headers = {
            "content-type": file.content_type or "application/octet-stream",
            "accept-ranges": "bytes",
            "cache-control": CACHE,
            "digest": f"sha-256={b64encode(bytes.fromhex(file.sha256)).decode()}",
            "x-content-type-options": "nosniff",
        }
        if _ACTIVE.search(headers["content-type"]):
            # Its scripts would run as a page of this server, which may call the functions of everybody.
            headers["content-security-policy"] = "sandbox"
        part = requested_part(request.headers.get("range"), file.size)
        if part is None:
            return _sent(file, 0, file.size, 200, headers)
        start, stop = part
        if start >= stop:
            refusal = problem(416, "InvalidRange", f"The file has {file.size} bytes.")
            refusal.headers["content-range"] = f"bytes */{file.size}"
            return refusal
        headers["content-range"] = f"bytes {start}-{stop - 1}/{file.size}"
        return _sent(file, start, stop, 206, headers)


def requested_part(header: str | None, size: int) -> tuple[int, int] | None:
    """Which bytes a `Range` header asks for, none of them where it cannot be had; `None` for the whole file."""
    if header is None or not size:
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or not (match[1] or match[2]):
        return (0, 0)
    if not match[1]:
        return max(0, size - int(match[2])), size if int(match[2]) else 0
    start = int(match[1])
    stop = min(size, int(match[2]) + 1) if match[2] else size
    return (start, stop) if start < stop else (0, 0)


def _sent(file: File, start: int, stop: int, status: int, headers: dict[str, str]) -> Response:
    def chunks() -> Iterator[bytes]:
        yield from file.chunks(start, stop)

    return StreamingResponse(chunks(), status, {**headers, "content-length": str(stop - start)})
