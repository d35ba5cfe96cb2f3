"""Whom a client acts for: an identity that was given, or the bearer of tokens that are fetched when they are needed."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from convex_nb.functions.origin import Origin
from convex_nb.language.describing import describe
from convex_nb.language.errors import AuthenticationError, InvalidValueError

if TYPE_CHECKING:
    from convex_nb.functions.identity import Identity
    from convex_nb.services.authentication.tokens import Bearer, Tokens

FetchToken: TypeAlias = Callable[[bool], "str | None"]
"""Gives a token, a fresh one if it is told so; `None` when nobody is signed in."""

EARLY_NS: Final = 2_000_000_000
"""So long before its end a token is replaced."""


class Principal:
    """The origin of a client's calls. Safe for threads; tokens are fetched and verified under no lock."""

    def __init__(self, tokens: Tokens, now_ns: Callable[[], int], identity: Identity | None) -> None:
        self._tokens = tokens
        self._now_ns = now_ns
        self._origin = _origin_of(identity)
        self._fetch: FetchToken | None = None
        self._on_change: Callable[[bool], object] = lambda _: None
        self._expires_ns: int | None = None
        self._lock = threading.Lock()

    @property
    def origin(self) -> Origin:
        """Whom it acts for at present, whether or not a token has expired."""
        return self._origin

    @property
    def is_over(self) -> bool:
        """Whether the token has expired, or is about to."""
        return self._expires_ns is not None and self._now_ns() >= self._expires_ns - EARLY_NS

    def sign_in(self, given: Any, on_change: Callable[[bool], object] | None) -> None:
        """Act for the bearer of a token, or of the tokens that a function fetches; nobody for `None`.

        Raises `AuthenticationError` for a token that is refused, a fresh one as well; nothing changes then.
        """
        fetch = as_fetch(given)
        bearer = None if fetch is None else self._bearer(fetch, is_fresh=False)
        with self._lock:
            self._fetch = fetch
            self._on_change = on_change or (lambda _: None)
            self._take(bearer)
        self._on_change(bearer is not None)

    def renew(self) -> None:
        """Get a fresh token in the place of one that is over; where there is none, act for nobody."""
        fetch, over = self._fetch, self._expires_ns
        bearer = None
        if fetch is not None:
            try:
                bearer = self._bearer(fetch, is_fresh=True)
            except AuthenticationError:
                # Whoever had signed in is told that it is over.
                bearer = None
        with self._lock:
            if self._fetch is not fetch or self._expires_ns != over:
                # Another thread was here in the meantime.
                return
            self._take(bearer)
            if bearer is None:
                self._fetch = None
        if bearer is None:
            self._on_change(False)

    def _take(self, bearer: Bearer | None) -> None:
        self._origin = _origin_of(None if bearer is None else bearer.identity)
        self._expires_ns = None if bearer is None else bearer.expires_ns

    def _bearer(self, fetch: FetchToken, *, is_fresh: bool) -> Bearer | None:
        token = fetch(is_fresh)
        if token is None:
            return None
        if not isinstance(token, str):
            raise InvalidValueError(f"A token is a text, not {describe(token, 80)}. Nothing changed.", value=token)
        try:
            return self._tokens.verify(token)
        except AuthenticationError:
            if is_fresh or not _can_be_fresh(fetch):
                raise
        return self._bearer(fetch, is_fresh=True)


def as_fetch(given: Any) -> FetchToken | None:
    """Return what fetches tokens: of a token itself, always that one. Raises `InvalidValueError`."""
    if given is None:
        return None
    if isinstance(given, str):
        return _Always(given)
    if not callable(given):
        raise InvalidValueError(
            "set_auth() takes a token, or a function that fetches one: `def fetch(force_refresh): ...`, not "
            f"{describe(given, 80)}. Nothing changed.",
            value=given,
        )
    try:
        inspect.signature(given).bind(True)
    except TypeError:
        return lambda _: given()
    except ValueError:
        # A function of C's, which cannot say what it takes.
        pass
    return lambda is_fresh: given(is_fresh)


class _Always:
    """The same token every time."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, _: bool, /) -> str:
        return self._token


def _can_be_fresh(fetch: FetchToken) -> bool:
    return not isinstance(fetch, _Always)


def _origin_of(identity: Identity | None) -> Origin:
    return Origin("anonymous" if identity is None else "user", identity)
