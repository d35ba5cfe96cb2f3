"""Who a call acts for, and `ctx.auth`, by which functions ask."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from convex_nb.language.describing import describe
from convex_nb.language.documents import freeze
from convex_nb.language.encoding import dumps
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.ordering import same_key
from convex_nb.language.values import to_value

if TYPE_CHECKING:
    from collections.abc import Hashable

    from convex_nb.functions.execution import Execution

ISSUER: Final = "https://convex.test"
"""Who has issued an identity that does not say."""
_TEXTS: Final = ("issuer", "subject", "tokenIdentifier")


class Identity:
    """The claims about a user. `claims` is read-only; `key` is equal for identities that are the same."""

    __slots__ = ("claims", "key")

    def __init__(self, claims: Mapping[str, Any]) -> None:
        self.claims = freeze(dict(claims))
        self.key: Hashable = same_key(self.claims)

    def __repr__(self) -> str:
        return f"Identity({self.claims['tokenIdentifier']!r})"


def to_identity(given: Mapping[str, Any] | Identity | None) -> Identity | None:
    """Return claims as an identity; `None` for nobody.

    `issuer`, `subject` and `tokenIdentifier` are made up where they are absent, the same for the same claims. Raises
    `InvalidValueError`.
    """
    if given is None or isinstance(given, Identity):
        return given
    if not isinstance(given, Mapping):
        raise InvalidValueError(
            f'An identity is a dict of claims such as {{"subject": "ada", "name": "Ada"}}, not {describe(given, 80)}.',
            value=given,
        )
    claims = to_value(dict(given))
    assert isinstance(claims, dict)
    for name in _TEXTS:
        if not isinstance(claims.get(name, ""), str):
            raise InvalidValueError(
                f"`{name}` of an identity is a string, not {describe(claims[name], 80)}.", value=claims[name]
            )
    claims.setdefault("issuer", ISSUER)
    claims.setdefault("subject", hashlib.sha256(dumps(dict(sorted(claims.items()))).encode()).hexdigest()[:16])
    claims.setdefault("tokenIdentifier", f"{claims['issuer']}|{claims['subject']}")
    return Identity(claims)


class Auth:
    """`ctx.auth` of one call."""

    __slots__ = ("_execution",)

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def get_user_identity(self) -> dict[str, Any] | None:
        """The claims about whoever the call acts for: at least `tokenIdentifier`, `subject` and `issuer`.

        `None` for nobody, in scheduled functions too. A query that asks is answered for each identity by itself.
        Raises `AuthenticationError` in an HTTP action whose request has a token that is not good.
        """
        self._execution.reads_identity = True
        origin = self._execution.origin
        if origin.refusal is not None:
            raise origin.refusal
        identity = origin.identity
        return None if identity is None else identity.claims
