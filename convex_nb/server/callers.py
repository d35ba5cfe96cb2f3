"""Who is calling: what a client says about itself, checked."""

from __future__ import annotations

import hmac
from base64 import b64decode
from binascii import Error as Base64Error
from typing import TYPE_CHECKING, Any

import msgspec

from convex_nb.language.errors import AuthenticationError

if TYPE_CHECKING:
    from convex_nb.deployment.remote.caller import Caller
    from convex_nb.deployment.remote.remote import Remote
    from convex_nb.server.messages import Authenticate


class Callers:
    """Makes callers of keys and tokens. Raises `AuthenticationError` for those that are not good."""

    def __init__(self, remote: Remote, admin_key: str) -> None:
        self._remote = remote
        self._admin_key = admin_key

    def nobody(self) -> Caller:
        """Somebody who has not said who it is."""
        return self._remote.nobody()

    def of(self, message: Authenticate) -> Caller:
        """Whoever a message of the sync protocol is from."""
        if message.token_type == "None":
            return self.nobody()
        if message.token_type == "User":
            return self._remote.user(message.value or "")
        return self._administrator(message.value or "", message.impersonating or message.acting_as)

    def of_header(self, header: str | None) -> Caller:
        """Whoever a request with this `Authorization` header is from."""
        if not header:
            return self.nobody()
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer" and value:
            return self._remote.user(value.strip())
        if scheme.lower() == "convex" and value:
            return self._acting(value.strip())
        raise AuthenticationError(
            "The Authorization header is `Bearer <token>` or `Convex <admin key>`.", code="InvalidAuthHeader"
        )

    def _acting(self, value: str) -> Caller:
        key, separator, encoded = value.rpartition(":")
        if not separator:
            return self._administrator(value, None)
        try:
            identity = msgspec.json.decode(b64decode(encoded, validate=True), type=dict[str, Any])
        except (Base64Error, ValueError, RecursionError, msgspec.MsgspecError):
            raise AuthenticationError(
                "What follows the admin key is base64 of a JSON object, the identity to act for.",
                code="InvalidAuthHeader",
            ) from None
        return self._administrator(key, identity)

    def _administrator(self, key: str, identity: dict[str, Any] | None) -> Caller:
        if not hmac.compare_digest(key.encode(errors="replace"), self._admin_key.encode()):
            raise AuthenticationError("The admin key is not that of this server.", code="BadAdminKey")
        return self._remote.administrator(identity)
