"""An issuer of tokens for development and tests."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from convex_nb.services.authentication.key_set import require_jwt

ISSUER: Final = "https://dev-issuer.test"
APPLICATION: Final = "convex"
HOUR: Final = timedelta(hours=1)


class DevIssuer:
    """Signs tokens (RS256) with a key of its own, which nobody else has and which ends with it.

    `provider` is what to push for its tokens to be taken: `dep.push(auth=[issuer.provider])`.
    """

    def __init__(self, now_ns: Callable[[], int], issuer: str = ISSUER, application_id: str = APPLICATION) -> None:
        require_jwt()
        from cryptography.hazmat.primitives.asymmetric import rsa
        from jwt.algorithms import RSAAlgorithm

        self.issuer = issuer
        self.application_id = application_id
        self._now_ns = now_ns
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._id = hashlib.sha256(str(public["n"]).encode()).hexdigest()[:16]
        keys = {"keys": [{**public, "kid": self._id, "alg": "RS256", "use": "sig"}]}
        encoded = b64encode(json.dumps(keys).encode()).decode()
        self.provider: dict[str, str] = {
            "type": "customJwt",
            "issuer": issuer,
            "jwks": f"data:application/json;base64,{encoded}",
            "algorithm": "RS256",
            "applicationID": application_id,
        }

    def __repr__(self) -> str:
        return f"<DevIssuer {self.issuer} for {self.application_id!r}: .token(subject), .provider>"

    def token(self, subject: str = "ada", /, *, lasts: timedelta = HOUR, **claims: Any) -> str:
        """A token for a user, with more claims or others: `issuer.token("ada", name="Ada")`."""
        import jwt

        now = self._now_ns() // 10**9
        usual = {"iss": self.issuer, "sub": subject, "aud": self.application_id, "iat": now}
        content = {**usual, "exp": now + int(lasts.total_seconds()), **claims}
        return jwt.encode(content, self._key, algorithm="RS256", headers={"kid": self._id})
