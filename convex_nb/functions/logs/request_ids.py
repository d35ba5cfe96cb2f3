"""Request ids: one for each call from outside, shared by all that it calls, its log lines and its errors."""

from __future__ import annotations

from contextlib import suppress
from random import SystemRandom
from typing import Final

_MASK: Final = (1 << 64) - 1
_ODD: Final = 0x9E3779B97F4A7C15


class RequestIds:
    """Numbers of calls as 16 hexadecimal digits.

    A bijection with a salt of the deployment's own: no two calls share an id, ids of two deployments are unrelated, and
    a call that nobody asks about pays nothing for its id.
    """

    __slots__ = ("_salt",)

    def __init__(self, salt: int | None = None) -> None:
        self._salt = SystemRandom().getrandbits(64) if salt is None else salt

    def __call__(self, number: int) -> str:
        """The id of the call with this number."""
        return f"{(number * _ODD ^ self._salt) & _MASK:016x}"


def mark(error: BaseException, request_id: str) -> None:
    """Let an error know, as `request_id`, the call that it ended. One whose class forbids it goes without."""
    with suppress(AttributeError, TypeError):
        error.request_id = request_id  # type: ignore[attr-defined]
