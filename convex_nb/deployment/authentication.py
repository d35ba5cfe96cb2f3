"""Auth providers of a deployment, and the tokens that they issue: what `dep.auth` gives."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from convex_nb.functions.origin import Origin
from convex_nb.language.errors import AuthenticationError
from convex_nb.services.authentication.dev_issuer import APPLICATION, ISSUER, DevIssuer
from convex_nb.services.authentication.tokens import differences, read_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from convex_nb.functions.http.messages import Request
    from convex_nb.services.authentication.tokens import Tokens


class Authentication:
    """Tells whose tokens are whose; `dep.push(auth=[...])` says who may issue them."""

    def __init__(self, tokens: Tokens, now_ns: Callable[[], int]) -> None:
        self._tokens = tokens
        self._now_ns = now_ns

    def __repr__(self) -> str:
        lines = [f"{each.kind}  {each.issuer}  for {each.application_id or 'any'}" for each in self._tokens.providers]
        return "\n".join(lines) or "no auth providers: dep.push(auth=[...])"

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    @property
    def providers(self) -> list[dict[str, str]]:
        """The providers, as they are pushed. The first one that has a token's issuer and audience is asked."""
        return [each.configuration() for each in self._tokens.providers]

    def verify(self, token: str) -> dict[str, Any]:
        """The identity of whoever has this token, such as `dep.client` takes. Raises `AuthenticationError`."""
        return dict(self._tokens.verify(token).identity.claims)

    def debug(self, token: str) -> TokenReport:
        """What a token says, compared with each provider, and what becomes of it."""
        return TokenReport(self._tokens, token)

    def dev_issuer(self, issuer: str = ISSUER, application_id: str = APPLICATION) -> DevIssuer:
        """Something that makes tokens for tests. `dep.push(auth=[issuer.provider])` has them taken."""
        return DevIssuer(self._now_ns, issuer, application_id)


class TokenReport:
    """What there is to know of a token: `header`, `claims`, `differences` by provider, and `identity` or `problem`.

    It shows all claims, but not the token itself.
    """

    def __init__(self, tokens: Tokens, text: str) -> None:
        self.header: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.differences: dict[str, list[str]] = {}
        self.identity: dict[str, Any] | None = None
        self.problem = ""
        try:
            token = read_token(text)
            self.header, self.claims = token.header, token.claims
            for place, provider in enumerate(tokens.providers, 1):
                self.differences[f"{place}: {provider.issuer}"] = differences(token, provider)
            self.identity = dict(tokens.verify(text).identity.claims)
        except AuthenticationError as error:
            self.problem = str(error)

    def __repr__(self) -> str:
        lines = [f"refused: {self.problem}" if self.problem else f"good: {self._who()}"]
        lines += [f"header  {name}: {value!r}" for name, value in self.header.items()]
        lines += [f"claim   {name}: {value!r}" for name, value in self.claims.items()]
        for name, found in self.differences.items():
            lines.append(f"provider {name}: {'; '.join(found) or 'issuer and audience are its own'}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"

    def _who(self) -> str:
        return "" if self.identity is None else repr(self.identity["tokenIdentifier"])


def origin_of(request: Request, tokens: Tokens) -> Origin:
    """Whom a request is for, by its `Authorization: Bearer`. A token that is not good is told to whoever asks."""
    scheme, _, token = (request.headers.get("authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        return Origin("anonymous")
    try:
        return Origin("user", tokens.verify(token.strip()).identity)
    except AuthenticationError as error:
        return Origin("anonymous", refusal=error)
