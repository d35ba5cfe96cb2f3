"""What the claims of a token say about a user, by the names that functions know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from convex_nb.functions.identity import Identity
from convex_nb.language.errors import AuthenticationError, InvalidValueError
from convex_nb.language.values import to_value

STANDARD: Final[Mapping[str, str]] = {
    "name": "name",
    "given_name": "givenName",
    "family_name": "familyName",
    "nickname": "nickname",
    "preferred_username": "preferredUsername",
    "profile": "profileUrl",
    "picture": "pictureUrl",
    "email": "email",
    "email_verified": "emailVerified",
    "gender": "gender",
    "birthdate": "birthday",
    "zoneinfo": "timezone",
    "locale": "language",
    "phone_number": "phoneNumber",
    "phone_number_verified": "phoneNumberVerified",
    "address": "address",
    "updated_at": "updatedAt",
}
OF_THE_TOKEN: Final = frozenset(("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "nonce", "at_hash", "c_hash"))
"""These are different in each token of the same user, whose queries would all run again for it."""


def identity_of(claims: Mapping[str, Any], *, is_flat: bool) -> Identity:
    """The identity that verified claims stand for; `is_flat` gives nested ones dotted names.

    Claims that cannot be values are left out. Raises `AuthenticationError` where that is so of the subject.
    """
    about_user = {name: value for name, value in claims.items() if name not in OF_THE_TOKEN}
    found: dict[str, Any] = {}
    for name, value in _flattened(about_user) if is_flat else about_user.items():
        if name not in STANDARD:
            found |= _valid(name, value)
    for name, value in about_user.items():
        if name in STANDARD and not (is_flat and isinstance(value, dict)):
            found |= _valid(STANDARD[name], _standard(name, value))
    # Last: no claim of a token can make its bearer somebody else.
    issuer, subject = claims["iss"], claims["sub"]
    guaranteed = _valid("issuer", issuer) | _valid("subject", subject)
    if len(guaranteed) < 2:
        raise AuthenticationError("The `sub` of this token is not valid Unicode.", code="Unauthenticated")
    return Identity({**found, **guaranteed, "tokenIdentifier": f"{issuer}|{subject}"})


def _flattened(claims: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in claims.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _standard(name: str, value: Any) -> Any:
    if name in ("email_verified", "phone_number_verified") and value in ("true", "false"):
        return value == "true"
    if name == "updated_at" and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
        except (ValueError, OverflowError, OSError):
            return value
    return value


def _valid(name: str, value: Any) -> dict[str, Any]:
    try:
        found = to_value({name: value})
    except InvalidValueError:
        return {}
    assert isinstance(found, dict)
    return found
