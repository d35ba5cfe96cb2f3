"""The keys of a provider, as they are now: fetched when a token needs them, and again when it names one not known."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from convex_nb.language.errors import AuthenticationError
from convex_nb.services.authentication.key_set import Key, keys_of, keys_of_data

if TYPE_CHECKING:
    from convex_nb.services.authentication.providers import Provider

LIFETIME_SECONDS: Final = 3600.0
"""After it keys are fetched again, for some may have been withdrawn."""
LONGEST_SECONDS: Final = 86400.0
"""So long keys are used while their issuer cannot be reached."""
PAUSE_SECONDS: Final = 10.0
"""Between two requests, whatever tokens come: whoever makes up keys does not make us ask for each."""
DISCOVERY: Final = "/.well-known/openid-configuration"


class _Held(NamedTuple):
    keys: Sequence[Key]
    since: float

    def fitting(self, id: str | None, algorithm: str) -> list[Key]:
        return [key for key in self.keys if key.algorithm == algorithm and (id is None or key.id == id)]


class KeySource:
    """The keys of one provider. Safe for threads: one asks, the others wait for it, and only if they need to."""

    def __init__(self, provider: Provider, clock: Callable[[], float] = time.monotonic) -> None:
        self._provider = provider
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._asked = float("-inf")
        self._failure = ""
        self._is_local = provider.jwks.startswith("data:")

    def find(self, id: str | None, algorithm: str) -> list[Key]:
        """The keys that a token may be signed with. Raises `AuthenticationError` where they cannot be had."""
        held = self._held
        if held is not None:
            found = held.fitting(id, algorithm)
            if self._is_local or (found and self._clock() - held.since < LIFETIME_SECONDS):
                return found
        self._ask(held)
        held = self._held
        if held is None:
            raise AuthenticationError(
                f"The keys of the auth provider {self._provider.issuer} could not be had: {self._failure}. Nobody can "
                "tell whose token this is.",
                code="AuthProviderDiscoveryFailed",
            )
        return held.fitting(id, algorithm)

    def _ask(self, known: _Held | None) -> None:
        with self._lock:
            if self._held is not known or self._clock() - self._asked < PAUSE_SECONDS:
                return
            try:
                self._held = _Held(self._fetch(), self._clock())
            except (OSError, ValueError, RecursionError) as error:
                self._failure = str(error) or type(error).__name__
                if known is not None and self._clock() - known.since > LONGEST_SECONDS:
                    self._held = None
            finally:
                # At the end, so that those who have waited do not ask one after another.
                self._asked = self._clock()

    def _fetch(self) -> list[Key]:
        if self._is_local:
            return keys_of_data(self._provider.jwks)
        # Loaded with the first token of an issuer that is far away: HTTP takes long to import.
        from convex_nb.services.authentication.fetching import fetch_json

        address = self._provider.jwks
        if not address:
            found = fetch_json(self._provider.issuer.removesuffix("/") + DISCOVERY)
            if not self._provider.is_issuer(found.get("issuer")):
                raise ValueError(f"what is found there is of the issuer {found.get('issuer')!r}")
            address = str(found.get("jwks_uri"))
        return keys_of(fetch_json(address))
