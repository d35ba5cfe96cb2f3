"""JSON Web Tokens, verified. Nothing of a token is believed before its signature is that of the provider it names."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from convex_nb.language.describing import describe
from convex_nb.language.errors import AuthenticationError
from convex_nb.services.authentication.claims import identity_of
from convex_nb.services.authentication.key_set import require_jwt
from convex_nb.services.authentication.key_source import KeySource
from convex_nb.services.authentication.providers import read_providers

if TYPE_CHECKING:
    from convex_nb.engine.database import Database
    from convex_nb.functions.identity import Identity
    from convex_nb.services.authentication.providers import Provider

LEEWAY_SECONDS: Final = 10
"""So much clocks may differ."""
LARGEST: Final = 1 << 16
FARTHEST: Final = 1e12
"""A time that is meant, in seconds from 1970."""
TYPES: Final = ("jwt", "at+jwt")
_PART: Final = re.compile(r"[A-Za-z0-9_-]+")


class Token(NamedTuple):
    """A token that was read, and not verified yet."""

    text: str
    header: dict[str, Any]
    claims: dict[str, Any]


class Bearer(NamedTuple):
    """Who brings a token that is good, and until when it is."""

    identity: Identity
    expires_ns: int


class Tokens:
    """Tells from tokens who their bearers are, by the providers that were pushed. Safe for threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sources: dict[Provider, KeySource] = {}

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The providers, as of the newest commit."""
        return read_providers(self._database.head)

    def verify(self, text: str) -> Bearer:
        """Who brings this token. Raises `AuthenticationError`. It may ask the token's issuer for its keys."""
        providers = self.providers
        if not providers:
            raise AuthenticationError(
                "No auth provider is configured on this deployment, so that nobody can tell whose token this is. "
                "Push some: `dep.push(auth=[...])`.",
                code="NoAuthProvider",
            )
        token = read_token(text)
        provider = next((each for each in providers if not differences(token, each)), None)
        if provider is None:
            raise AuthenticationError(
                f"No auth provider of this deployment issues this token: its `iss` is "
                f"{describe(token.claims.get('iss'), 200)}, its `aud` is {describe(token.claims.get('aud'), 200)}. "
                "`dep.auth.debug(token)` compares them.",
                code="NoAuthProvider",
            )
        check_header(token, provider)
        self._check_signature(token, provider)
        expires_ns = check_claims(token, self._database.clock.now_ns())
        return Bearer(identity_of(token.claims, is_flat=provider.kind == "customJwt"), expires_ns)

    def _check_signature(self, token: Token, provider: Provider) -> None:
        try:
            require_jwt()
        except ImportError as error:
            raise AuthenticationError(str(error), code="NoAuthProvider") from None
        from jwt.api_jws import PyJWS
        from jwt.exceptions import PyJWTError

        algorithm, id = token.header["alg"], token.header.get("kid")
        source = self._sources.get(provider)
        if source is None:
            # Two threads may make two: one of them is kept.
            known = {each: self._sources[each] for each in self.providers if each in self._sources}
            source = KeySource(provider)
            self._sources = {**known, provider: source}
        keys = source.find(id, algorithm)
        for key in keys:
            try:
                PyJWS().decode(token.text, key.public, algorithms=[key.algorithm])
            except PyJWTError:
                continue
            return
        if not keys:
            raise _refused(
                f"the auth provider {provider.issuer} has no key {describe(id, 80)} for {algorithm}", "its signature"
            )
        raise _refused(f"it is not signed by the auth provider {provider.issuer}", "its signature")


def read_token(text: str) -> Token:
    """Take a token apart, strictly: there is one spelling of each. Raises `AuthenticationError`."""
    if not isinstance(text, str) or len(text) > LARGEST:
        raise _unreadable(f"a token is a text of at most {LARGEST >> 10} KiB")
    if text[:7].lower() == "bearer ":
        raise _unreadable("it begins with `Bearer`, which belongs to the header and not to the token")
    parts = text.split(".")
    if len(parts) == 5:
        raise _unreadable("it is encrypted; only signed tokens are taken")
    if len(parts) != 3:
        raise _unreadable(f"a token has three parts with dots between them, not {len(parts)}")
    header, claims = _decoded(parts[0], "first"), _decoded(parts[1], "second")
    _bytes(parts[2], "third")
    return Token(text, header, claims)


def _decoded(part: str, which: str) -> dict[str, Any]:
    content = _bytes(part, which)
    try:
        found = json.loads(content.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _unreadable(f"its {which} part is not JSON") from None
    if not isinstance(found, dict):
        raise _unreadable(f"its {which} part is not a JSON object")
    return found


def _bytes(part: str, which: str) -> bytes:
    # The decoder passes over what is not base64, and over bits that it has no use for.
    if _PART.fullmatch(part) is not None and len(part) % 4 != 1:
        content = urlsafe_b64decode(part + "=" * (-len(part) % 4))
        if urlsafe_b64encode(content).decode().rstrip("=") == part:
            return content
    raise _unreadable(f"its {which} part is not base64url")


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def differences(token: Token, provider: Provider) -> list[str]:
    """What of a token's issuer and audience is not this provider's, in words."""
    found = []
    if not provider.is_issuer(token.claims.get("iss")):
        found.append(f"`iss` is {describe(token.claims.get('iss'), 200)}, not {provider.issuer!r}")
    if not provider.is_audience(token.claims.get("aud")):
        found.append(f"`aud` is {describe(token.claims.get('aud'), 200)}, not {provider.application_id!r}")
    return found


def check_header(token: Token, provider: Provider) -> None:
    """Raise `AuthenticationError` for a token that this provider would not make."""
    header = token.header
    algorithm, kind, id = header.get("alg"), header.get("typ"), header.get("kid")
    if algorithm not in provider.algorithms:
        wanted = " or ".join(provider.algorithms)
        raise _refused(f"its `alg` is {describe(algorithm, 80)}, not {wanted}", "its header")
    if "crit" in header or "b64" in header:
        raise _refused("it asks for extensions that are not known here", "its header")
    if kind is None and provider.kind == "oidc":
        kind = "JWT"
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TYPES:
        raise _refused(f'its `typ` is {describe(kind, 80)}, not "JWT"', "its header")
    if not isinstance(id, str) and (id is not None or provider.kind == "customJwt"):
        raise _refused(f"its `kid` is {describe(id, 80)}, not the name of a key", "its header")


def check_claims(token: Token, now_ns: int) -> int:
    """When a token expires, in nanoseconds. Raises `AuthenticationError` for one that has, or is not valid yet."""
    claims = token.claims
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise _refused(f"its `sub` is {describe(claims.get('sub'), 80)}, not the name of a user", "its claims")
    expires_ns = _time_ns(claims, "exp") + LEEWAY_SECONDS * 10**9
    if now_ns >= expires_ns:
        ago = (now_ns - expires_ns) // 10**9 + LEEWAY_SECONDS
        raise AuthenticationError(f"This token has expired {ago:,} s ago. Get a new one.", code="IdTokenExpired")
    if "nbf" in claims and now_ns < _time_ns(claims, "nbf") - LEEWAY_SECONDS * 10**9:
        raise _refused("it is not valid yet (`nbf`)", "its claims")
    return expires_ns


def _time_ns(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -FARTHEST < value < FARTHEST:
        raise _refused(f"its `{name}` is {describe(value, 80)}, not seconds since 1970", "its claims")
    return int(value * 10**9)


def _unreadable(why: str) -> AuthenticationError:
    return AuthenticationError(f"This is not a token that could be read: {why}.", code="InvalidAuthHeader")


def _refused(why: str, part: str) -> AuthenticationError:
    return AuthenticationError(f"This token is refused for {part}: {why}.", code="Unauthenticated")
