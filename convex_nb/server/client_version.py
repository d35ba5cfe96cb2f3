"""Which client it is that calls, and what it can do."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from starlette.responses import Response

from convex_nb.server.security import problem

_VERSION: Final = re.compile(r"(?:([a-z][a-z-]*)-)?(\d+)\.(\d+)\.(\d+)(?:[-+].*)?")
_CHUNKS_SINCE: Final = (1, 28, 0)
_PLAIN_SINCE: Final = {"npm": (1, 4, 1), "python": (0, 5, 0)}


class ClientVersion(NamedTuple):
    """Which client it is, such as "npm", and its version."""

    name: str
    number: tuple[int, int, int]

    @property
    def can_chunk(self) -> bool:
        """Whether it puts the chunks of a long transition together."""
        return self.name == "npm" and self.number >= _CHUNKS_SINCE

    @property
    def means_encoded(self) -> bool:
        """Whether it means the lossless encoding where it names no format."""
        return self.number < _PLAIN_SINCE.get(self.name, (0, 0, 0))


def client_version(text: str) -> ClientVersion | None:
    """Read `python-0.8.1`, or `1.48.0`, which is npm's; `None` for anything else."""
    match = _VERSION.fullmatch(text) if len(text) <= 100 else None
    return None if match is None else ClientVersion(match[1] or "npm", (int(match[2]), int(match[3]), int(match[4])))


def invalid_version() -> Response:
    """What a client is answered whose version could not be read."""
    return problem(400, "InvalidVersion", "The version of the client could not be understood.")
