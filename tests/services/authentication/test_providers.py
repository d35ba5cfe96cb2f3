"""Providers: how they are written, and what is said to those who write something else."""

from __future__ import annotations

import builtins
import json
import sys
from base64 import b64encode
from typing import Any
from urllib.parse import quote

import pytest
from jwt.algorithms import RSAAlgorithm

from convex_nb import MissingDependencyError, SchemaDefinitionError
from convex_nb.services.authentication.key_set import keys_of, keys_of_data
from convex_nb.services.authentication.providers import check_providers
from tests.services.authentication.issuers import custom, data_uri, ec_key, public, rsa_key

OIDC = {"domain": "https://a.test", "applicationID": "app"}


@pytest.mark.parametrize(
    ("given", "issuer"),
    [
        (OIDC, "https://a.test"),
        ({"domain": "a.eu.auth0.test", "application_id": "app"}, "https://a.eu.auth0.test"),
        ({"domain": "http://localhost:8080/realms/a", "applicationId": "app"}, "http://localhost:8080/realms/a"),
        (custom(), "https://issuer.test"),
        (custom(jwks="https://a.test/keys"), "https://issuer.test"),
    ],
)
def test_what_is_a_provider(given: dict[str, Any], issuer: str) -> None:
    (provider,) = check_providers([given])
    assert (provider.issuer, provider.application_id) == (issuer, "app")
    assert check_providers({"providers": [provider.configuration()]}) == (provider,)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("https://a.test", "takes a list of providers"),
        (OIDC, "takes a list of providers"),
        ([None], "Auth provider 1: it is a dict, not None"),
        ([OIDC, {}], "Auth provider 2: `domain` is missing"),
        ([{"domain": "a.test"}], "`applicationID` is missing"),
        ([{**OIDC, "domain": None}], "is an environment variable not set"),
        ([{**OIDC, "applicationID": " "}], "`applicationID` is a text"),
        ([{**OIDC, "domian": "x"}], "no field 'domian'; is `domain` meant"),
        ([{**OIDC, "domain": "http://a.test"}], "begins with https"),
        ([{**OIDC, "domain": "file:///etc"}], "is an address"),
        ([{**OIDC, "domain": "https://u:p@a.test"}], "without a password"),
        ([{**OIDC, "domain": "https://a.test/?x=1"}], "without parameters"),
        ([{**OIDC, "domain": "https://a.test|b"}], "is an address without parameters"),
        ([{**OIDC, "domain": "https://[a"}], "is an address"),
        ([{**OIDC, "type": "jwt"}], 'its `type` is "customJwt"'),
        ([{"issuer": "a", "jwks": "https://a.test"}], 'one with `jwks` says `"type": "customJwt"`'),
        ([custom(algorithm="HS256")], 'is "RS256" or "ES256", not \'HS256\''),
        ([custom(issuer="a|b")], "has no `|`"),
        ([custom(jwks="http://a.test/keys")], "begins with https"),
        ([custom(jwks="data:")], "has a comma"),
        ([custom(jwks="data:application/json,[]")], "it is an object"),
        ([custom(jwks="data:application/json,{")], "not a JSON Web Key Set"),
        ([custom(jwks="data:;base64,A")], "not a JSON Web Key Set"),
        ([custom(public(ec_key()))], "no key that verifies RS256"),
        ([custom(public(rsa_key(0, 1024)))], "no key that verifies RS256"),
    ],
)
def test_what_is_none(given: Any, message: str) -> None:
    with pytest.raises(SchemaDefinitionError) as caught:
        check_providers(given)
    assert message in str(caught.value)
    assert str(caught.value).endswith("Nothing changed.")


def test_a_private_key_is_not_for_others() -> None:
    private = RSAAlgorithm.to_jwk(rsa_key(), as_dict=True)
    with pytest.raises(SchemaDefinitionError, match="holds a private key") as caught:
        check_providers([custom({**private, "kid": "one"})])
    assert str(private["d"]) not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256", "kid": "one"},
        public(rsa_key(), use="enc"),
        public(rsa_key(), alg="RS512"),
        public(rsa_key(), key_ops=["encrypt"]),
        public(rsa_key(), key_ops="verify"),
        public(rsa_key(), id=1),  # type: ignore[arg-type]
        {**public(rsa_key()), "n": 1},
        {**public(rsa_key()), "e": "AQ"},
        {"kty": "RSA"},
        {**public(ec_key()), "x": "AA"},
        {**public(ec_key()), "crv": "P-384"},
        None,
    ],
)
def test_keys_that_verify_nothing_are_passed_over(key: Any) -> None:
    assert [each.id for each in keys_of({"keys": [key, public(rsa_key(1), "good")]})] == ["good"]


def test_the_forms_of_a_data_uri() -> None:
    text = json.dumps({"keys": [public(rsa_key())]})
    encoded = b64encode(text.encode()).decode()
    for uri in (data_uri(public(rsa_key())), f"data:application/json,{quote(text)}", f"data:;base64,{encoded}"):
        assert [key.id for key in keys_of_data(uri)] == ["one"]


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    find = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "jwt":
            raise ImportError("no module", name=name)
        return find(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "jwt")
    monkeypatch.setattr(builtins, "__import__", without)
    assert check_providers([]) == ()
    with pytest.raises(MissingDependencyError, match=r"not installed: jwt.*convex-nb\[auth\]"):
        check_providers([OIDC])
