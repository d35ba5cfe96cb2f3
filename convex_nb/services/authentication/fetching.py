"""Getting keys over HTTP: only from servers that prove who they are, and never for long."""

from __future__ import annotations

import json
import time
from http.client import HTTPException, HTTPMessage
from typing import IO, Any, Final
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from convex_nb.services.authentication.providers import problem_of_address

TIMEOUT_SECONDS: Final = 5.0
LARGEST: Final = 1 << 20
"""Of an answer, in bytes."""


class _Redirects(HTTPRedirectHandler):
    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        _check(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _check(address: str) -> None:
    problem = problem_of_address(address)
    if problem is not None:
        raise ValueError(f"the address of its keys {problem}, which {address!r} is not")


def fetch_json(address: str) -> dict[str, Any]:
    """Get a JSON object. Raises `OSError`, `ValueError`, `RecursionError`; it takes seconds at the most."""
    _check(address)
    try:
        found = json.loads(_body(address))
    except URLError as error:
        raise OSError(str(error.reason) or str(error)) from None
    except HTTPException as error:
        raise OSError(f"{address} answers with something else than HTTP: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{address} answers with no JSON object")
    return found


def _body(address: str) -> bytes:
    request = Request(address, headers={"Accept": "application/json", "User-Agent": "convex-nb"})
    deadline = time.monotonic() + TIMEOUT_SECONDS
    body = b""
    with build_opener(_Redirects).open(request, timeout=TIMEOUT_SECONDS) as response:
        while piece := response.read1(1 << 16):
            body += piece
            if len(body) > LARGEST:
                raise ValueError(f"{address} answers with more than {LARGEST >> 20} MiB")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{address} takes longer than {TIMEOUT_SECONDS:.0f} s")
    return body
