"""Sets of public keys, as JSON (RFC 7517): only what verifies a signature is taken from them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from convex_nb.language.errors import MissingDependencyError

if TYPE_CHECKING:
    from jwt import PyJWK

LEAST_BITS: Final = 2048
"""Of an RSA key: RFC 7518, section 3.3."""
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "k")


class Key(NamedTuple):
    """A public key, with the one algorithm that it is used with: no token chooses another."""

    id: str | None
    algorithm: str
    public: PyJWK


def require_jwt() -> None:
    """Raise `MissingDependencyError` where tokens cannot be verified."""
    try:
        import cryptography  # noqa: F401
        import jwt  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"Tokens cannot be verified without a package that is not installed: {error.name}. Install the extra: "
            "pip install 'convex-nb[auth]'",
            package=error.name or "",
        ) from error


def keys_of(document: object) -> list[Key]:
    """The keys of a set that verify RS256 or ES256; others are passed over. Raises `ValueError` for what is no set."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError('it is an object {"keys": [...]}')
    return [key for each in document["keys"] if isinstance(each, dict) for key in _key(each)]


def keys_of_data(uri: str) -> list[Key]:
    """The keys that a `data:` URI holds. Raises `ValueError`, for private keys as well."""
    require_jwt()
    head, comma, encoded = uri.removeprefix("data:").partition(",")
    if not comma:
        raise ValueError("a data: URI has a comma before its contents")
    content = unquote_to_bytes(encoded)
    if head.endswith(";base64"):
        try:
            content = urlsafe_b64decode(content.replace(b"+", b"-").replace(b"/", b"_") + b"=" * (-len(content) % 4))
        except Base64Error as error:
            raise ValueError(str(error)) from None
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(str(error)) from None
    found = keys_of(document)
    if any(name in each for each in document["keys"] if isinstance(each, dict) for name in _PRIVATE):
        raise ValueError("it holds a private key, and belongs to nobody but the issuer; take the public half")
    return found


def _key(given: dict[str, Any]) -> Iterable[Key]:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    # The members of the public half alone, whatever else there is.
    if given.get("kty") == "RSA":
        algorithm, members = "RS256", ["kty", "n", "e"]
    elif given.get("kty") == "EC" and given.get("crv") == "P-256":
        algorithm, members = "ES256", ["kty", "crv", "x", "y"]
    else:
        return
    id, operations = given.get("kid"), given.get("key_ops", ["verify"])
    if given.get("alg", algorithm) != algorithm or given.get("use", "sig") != "sig" or not isinstance(operations, list):
        return
    if "verify" not in operations or not isinstance(id, str | None):
        return
    try:
        public = PyJWK({name: given[name] for name in members}, algorithm=algorithm)
    except (PyJWTError, KeyError, ValueError, TypeError, AttributeError):
        return
    if algorithm == "ES256" or public.key.key_size >= LEAST_BITS:
        yield Key(id, algorithm, public)
