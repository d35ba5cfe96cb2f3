"""Auth providers: who may issue the tokens that a deployment takes, and where their keys are."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from convex_nb.language.describing import describe
from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.services.authentication.key_set import keys_of_data, require_jwt

if TYPE_CHECKING:
    from convex_nb.engine.reading.system_reader import SystemWriter
    from convex_nb.engine.snapshot import Snapshot

TABLE: Final = "_auth_providers"
ALGORITHMS: Final = ("RS256", "ES256")
_SPELLINGS: Final = {"application_id": "applicationID", "applicationId": "applicationID"}
_OIDC: Final = '{"domain": "https://...", "applicationID": "..."}'
_CUSTOM: Final = (
    '{"type": "customJwt", "issuer": "https://...", "jwks": "https://.../jwks.json", "algorithm": "RS256", '
    '"applicationID": "..."}'
)
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


class Provider(NamedTuple):
    """One of them. `jwks` is the address of its keys, or the keys themselves as a `data:` URI; "" asks the issuer."""

    kind: Literal["oidc", "customJwt"]
    issuer: str
    application_id: str | None
    jwks: str
    algorithms: tuple[str, ...]

    def is_issuer(self, issuer: object) -> bool:
        """Whether a token's `iss` is this provider. With OIDC some end with a slash that their domain has not."""
        if not isinstance(issuer, str):
            return False
        return issuer == self.issuer or (self.kind == "oidc" and _bare(issuer) == _bare(self.issuer))

    def is_audience(self, audience: object) -> bool:
        """Whether a token's `aud` is, or has, what this provider issues tokens for."""
        if self.application_id is None:
            return True
        return self.application_id in (audience if isinstance(audience, list) else [audience])

    def configuration(self) -> dict[str, str]:
        """The provider as it is written."""
        application = {} if self.application_id is None else {"applicationID": self.application_id}
        if self.kind == "oidc":
            return {"domain": self.issuer, **application}
        (algorithm,) = self.algorithms
        return {"type": self.kind, "issuer": self.issuer, "jwks": self.jwks, "algorithm": algorithm, **application}


def _bare(issuer: str) -> str:
    return issuer.removesuffix("/")


def check_providers(given: object) -> tuple[Provider, ...]:
    """Return providers as they are written: a list of dicts, or `{"providers": [...]}`.

    Raises `SchemaDefinitionError`, and `MissingDependencyError` where tokens could not be verified.
    """
    if isinstance(given, Mapping) and set(given) == {"providers"}:
        given = given["providers"]
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise SchemaDefinitionError(
            f"push(auth=...) takes a list of providers such as [{_OIDC}], not {describe(given, 80)}. Nothing changed."
        )
    providers = tuple([_check_provider(each, f"Auth provider {place}") for place, each in enumerate(given, 1)])
    if providers:
        require_jwt()
    return providers


def _check_provider(given: object, where: str) -> Provider:
    if not isinstance(given, Mapping):
        raise _wrong(where, f"it is a dict, not {describe(given, 80)}", _OIDC)
    fields = {_SPELLINGS.get(name, name): value for name, value in given.items()}
    kind = fields.pop("type", "oidc")
    if kind == "oidc" and "jwks" in fields:
        raise _wrong(where, 'one with `jwks` says `"type": "customJwt"`', _CUSTOM, "type")
    if kind == "oidc":
        return _check_oidc(fields, where)
    if kind != "customJwt":
        raise _wrong(where, f'its `type` is "customJwt" or absent, not {describe(kind, 80)}', _CUSTOM, "type")
    return _check_custom(fields, where)


def _check_oidc(fields: dict[Any, Any], where: str) -> Provider:
    _check_names(fields, ("domain", "applicationID"), where, _OIDC)
    domain = _text(fields, "domain", where, _OIDC)
    if "://" not in domain:
        # As dashboards of providers show it.
        domain = f"https://{domain}"
    _check_address(domain, "domain", where, _OIDC)
    return Provider("oidc", domain, _text(fields, "applicationID", where, _OIDC), "", ALGORITHMS)


def _check_custom(fields: dict[Any, Any], where: str) -> Provider:
    _check_names(fields, ("issuer", "jwks", "algorithm", "applicationID"), where, _CUSTOM)
    issuer = _text(fields, "issuer", where, _CUSTOM)
    if "|" in issuer:
        # What stands between issuer and subject in a `tokenIdentifier`, which is to be of one user.
        raise _wrong(where, f"its `issuer` has no `|`, as {issuer!r} does", _CUSTOM, "issuer")
    algorithm = _text(fields, "algorithm", where, _CUSTOM)
    if algorithm not in ALGORITHMS:
        raise _wrong(where, f'its `algorithm` is "RS256" or "ES256", not {algorithm!r}', _CUSTOM, "algorithm")
    jwks = _text(fields, "jwks", where, _CUSTOM)
    if jwks.startswith("data:"):
        try:
            keys = keys_of_data(jwks)
        except ValueError as error:
            raise _wrong(where, f"its `jwks` is not a JSON Web Key Set: {error}", _CUSTOM, "jwks") from None
        if not any(key.algorithm == algorithm for key in keys):
            raise _wrong(where, f"its `jwks` has no key that verifies {algorithm}", _CUSTOM, "jwks")
    else:
        _check_address(jwks, "jwks", where, _CUSTOM)
    application = _text(fields, "applicationID", where, _CUSTOM) if "applicationID" in fields else None
    return Provider("customJwt", issuer, application, jwks, (algorithm,))


def _check_names(fields: Mapping[Any, Any], known: tuple[str, ...], where: str, example: str) -> None:
    for name in fields:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"; is `{near[0]}` meant" if near else ""
            raise _wrong(where, f"it has no field {describe(name, 80)}{hint}", example, str(name))


def _text(fields: Mapping[Any, Any], name: str, where: str, example: str) -> str:
    if name not in fields:
        raise _wrong(where, f"`{name}` is missing", example, name)
    value = fields[name]
    if not isinstance(value, str) or not value.strip():
        hint = " (is an environment variable not set?)" if not value else ""
        raise _wrong(where, f"`{name}` is a text, not {describe(value, 80)}{hint}", example, name)
    return value.strip()


def _check_address(address: str, name: str, where: str, example: str) -> None:
    problem = problem_of_address(address)
    if problem is None and name == "domain" and ("|" in address or "?" in address or "#" in address):
        problem = "is an address without parameters"
    if problem is not None:
        raise _wrong(where, f"its `{name}` {problem}, which {describe(address, 80)} is not", example, name)


def problem_of_address(address: str) -> str | None:
    """What is wrong with an address from which keys are fetched: it must be that of a server that proves itself."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is an address"
    if not host or any(each.isspace() or not each.isprintable() for each in address):
        return "is an address"
    if parts.username is not None or parts.password is not None:
        return "is an address without a password"
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOCAL):
        return "begins with https:// (http:// only for localhost)"
    return None


def _wrong(where: str, what: str, example: str, field: str | None = None) -> SchemaDefinitionError:
    return SchemaDefinitionError(f"{where}: {what}. Write {example}. Nothing changed.", field=field)


def deploy_providers(writer: SystemWriter, wanted: Sequence[Provider]) -> bool:
    """Put providers in the place of those that are there; whether they are others."""
    stored = writer.query(TABLE).with_index("by_position").collect()
    if [_provider(each) for each in stored] == list(wanted):
        return False
    for each in stored:
        writer.delete(each["_id"])
    for position, provider in enumerate(wanted):
        writer.insert(TABLE, {"position": position, **provider.configuration()})
    return True


def read_providers(snapshot: Snapshot) -> tuple[Provider, ...]:
    """The providers of a snapshot, in their order."""
    state = snapshot.table(TABLE)
    if state is None:
        return ()
    return tuple([_provider(each) for each in state.read(state.position("by_position"), MIN_KEY, MAX_KEY, None, False)])


def _provider(stored: Mapping[str, Any]) -> Provider:
    application = stored.get("applicationID")
    if "domain" in stored:
        return Provider("oidc", stored["domain"], application, "", ALGORITHMS)
    return Provider("customJwt", stored["issuer"], application, stored["jwks"], (stored["algorithm"],))
