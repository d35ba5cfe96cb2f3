"""Tokens: those that are good, and everything that must not pass for one."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings, strategies as st

import convex_nb
from convex_nb import AuthenticationError, Deployment
from convex_nb.services.authentication.tokens import read_token
from convex_nb.testing import VirtualClock
from tests.services.authentication.issuers import NOW, claims, custom, ec_key, part, public, rsa_key, signed


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW * 1000)


@pytest.fixture
def dep(clock: VirtualClock) -> Iterator[Deployment]:
    with convex_nb.open(clock=clock) as dep:
        dep.push(auth=[custom()])
        yield dep


def refused(dep: Deployment, token: str) -> str:
    with pytest.raises(AuthenticationError) as caught:
        dep.auth.verify(token)
    return caught.value.code


def test_a_good_token_is_its_bearer(dep: Deployment) -> None:
    assert dep.auth.verify(signed(name="Ada")) == {
        "tokenIdentifier": "https://issuer.test|ada",
        "issuer": "https://issuer.test",
        "subject": "ada",
        "name": "Ada",
    }


@pytest.mark.parametrize(
    "token",
    [
        signed(aud=["other", "app"]),
        signed(nbf=NOW + 5),
        signed(exp=NOW - 5),
        signed(exp=NOW + 0.5),
        signed(header={"typ": "at+jwt"}),
        signed(header={"jku": "https://evil.test", "jwk": {"kty": "oct", "k": "x"}}),
    ],
)
def test_what_is_good_too(dep: Deployment, token: str) -> None:
    assert dep.auth.verify(token)["subject"] == "ada"


def unsigned(header: Any = None, body: Any = None, signature: str = "AAAA") -> str:
    """A token by hand, with whatever in its header and its claims."""
    head = {"alg": "RS256", "typ": "JWT", "kid": "one", **header} if isinstance(header, dict) else header
    return f"{part(head)}.{part(claims(**body) if isinstance(body, dict) else body)}.{signature}"


REFUSED: dict[str, tuple[str, str]] = {
    "another key": (signed(rsa_key(1)), "Unauthenticated"),
    "another key's name": (signed(header={"kid": "two"}), "Unauthenticated"),
    "no key's name": (jwt.encode(claims(), rsa_key(), algorithm="RS256"), "Unauthenticated"),
    "a key's name that is none": (unsigned({"kid": 1}, {}), "Unauthenticated"),
    "no algorithm, no signature": (unsigned({"alg": "none"}, {}, ""), "InvalidAuthHeader"),
    "no algorithm": (unsigned({"alg": "none"}, {}), "Unauthenticated"),
    "a made-up signature": (unsigned({}, {}), "Unauthenticated"),
    "another algorithm": (signed(algorithm="RS512"), "Unauthenticated"),
    "an algorithm of the other kind": (signed(ec_key(), "ES256"), "Unauthenticated"),
    "an algorithm that is a list": (unsigned({"alg": ["RS256"]}, {}), "Unauthenticated"),
    "no type": (signed(header={"typ": None}), "Unauthenticated"),
    "another type": (signed(header={"typ": "logout+jwt"}), "Unauthenticated"),
    "extensions": (unsigned({"crit": ["exp"]}, {}), "Unauthenticated"),
    "expired": (signed(exp=NOW - 10), "IdTokenExpired"),
    "never expires": (signed(exp=float("inf")), "InvalidAuthHeader"),
    "expires too far away for a float": (signed(exp=10**400), "Unauthenticated"),
    "not valid yet": (signed(nbf=NOW + 11), "Unauthenticated"),
    "nobody": (signed(sub=""), "Unauthenticated"),
    "another issuer": (signed(iss="https://other.test"), "NoAuthProvider"),
    "an issuer with a slash": (signed(iss="https://issuer.test/"), "NoAuthProvider"),
    "another audience": (signed(aud="other"), "NoAuthProvider"),
    "the beginning of an audience": (signed(aud="ap"), "NoAuthProvider"),
    "an audience that is an object": (unsigned({}, {"aud": {"app": 1}}), "NoAuthProvider"),
    "nothing": ("", "InvalidAuthHeader"),
    "two parts": ("a.b", "InvalidAuthHeader"),
    "encrypted": ("a.b.c.d.e", "InvalidAuthHeader"),
    "no JSON": (unsigned("x", "y"), "InvalidAuthHeader"),
    "JSON that is no object": (unsigned([], []), "InvalidAuthHeader"),
    "deep JSON": (unsigned("[" * 20_000, {}), "InvalidAuthHeader"),
    "a long number": (unsigned(f'{{"a":{"9" * 5000}}}', {}), "InvalidAuthHeader"),
    "endless": ("a" * 70_000, "InvalidAuthHeader"),
    "with what belongs before it": (f"Bearer {signed()}", "InvalidAuthHeader"),
    "with a space": (f"{signed()} ", "InvalidAuthHeader"),
    "padded": (f"{signed()}==", "InvalidAuthHeader"),
}


@pytest.mark.parametrize(("token", "code"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(dep: Deployment, token: str, code: str) -> None:
    assert refused(dep, token) == code


@pytest.mark.parametrize("header", [{"crit": ["x"], "x": 1}, {"b64": True}, {"b64": False}])
def test_extensions_are_refused_however_well_they_are_signed(dep: Deployment, header: dict[str, Any]) -> None:
    text = unsigned(header, {}).rpartition(".")[0]
    signature = rsa_key().sign(text.encode(), PKCS1v15(), SHA256())
    assert refused(dep, f"{text}.{urlsafe_b64encode(signature).decode().rstrip('=')}") == "Unauthenticated"


def test_a_token_has_one_spelling() -> None:
    # Whatever decoders below make of bits and characters that they have no use for.
    assert read_token(GOOD).claims["name"] == "Ada"
    readable = [each for each in CHARACTERS if is_readable(f"{GOOD[:-1]}{each}") and each != GOOD[-1]]
    assert len(readable) == 3, "one for each two bits of the last byte"
    assert not any(is_readable(f"{GOOD[:9]}{each}{GOOD[9:]}") for each in "=+/ \n\x00é")


def is_readable(token: str) -> bool:
    try:
        return bool(read_token(token))
    except AuthenticationError:
        return False


@pytest.mark.parametrize("content", [{"sub": None}, {"sub": 1}, {"exp": None}, {"exp": True}, {"exp": "soon"}])
def test_claims_that_must_be_there(dep: Deployment, content: dict[str, Any]) -> None:
    body = json.dumps({name: value for name, value in claims(**content).items() if value is not None})
    token = jwt.api_jws.encode(body.encode(), rsa_key(), algorithm="RS256", headers={"kid": "one", "typ": "JWT"})
    assert refused(dep, token) == "Unauthenticated"


def forged(algorithm: str, secret: bytes) -> str:
    text = unsigned({"alg": algorithm}, {}).rpartition(".")[0]
    return f"{text}.{urlsafe_b64encode(hmac.digest(secret, text.encode(), hashlib.sha256)).decode().rstrip('=')}"


def test_a_public_key_is_no_secret(dep: Deployment) -> None:
    key = rsa_key().public_key()
    secrets = [key.public_bytes(form, PublicFormat.SubjectPublicKeyInfo) for form in (Encoding.PEM, Encoding.DER)]
    secrets += [json.dumps(public(rsa_key())).encode(), b""]
    for secret in secrets:
        for algorithm in ("HS256", "RS256", "hs256"):
            assert refused(dep, forged(algorithm, secret)) == "Unauthenticated"


def test_a_provider_takes_its_own_algorithm_only(dep: Deployment) -> None:
    dep.push(auth=[custom(public(ec_key()), public(rsa_key()), algorithm="ES256")])
    assert dep.auth.verify(signed(ec_key(), "ES256"))["subject"] == "ada"
    assert refused(dep, signed()) == "Unauthenticated"


def test_the_first_provider_that_matches_is_asked(dep: Deployment) -> None:
    dep.push(auth=[custom(public(rsa_key(1))), custom()])
    assert dep.auth.verify(signed(rsa_key(1)))["subject"] == "ada"
    assert refused(dep, signed()) == "Unauthenticated"
    dep.push(auth=[custom(public(rsa_key(1)), applicationID="other"), custom()])
    assert dep.auth.verify(signed())["subject"] == "ada"


def test_without_an_audience_any_is_taken(dep: Deployment) -> None:
    provider = custom()
    del provider["applicationID"]
    dep.push(auth=[provider])
    assert dep.auth.verify(signed(aud="whatever"))["subject"] == "ada"


def test_time_passes_by_the_clock_of_the_deployment(dep: Deployment, clock: VirtualClock) -> None:
    token = signed(exp=NOW + 60)
    clock.advance(69_000)
    assert dep.auth.verify(token)["subject"] == "ada"
    clock.advance(1_000)
    assert refused(dep, token) == "IdTokenExpired"


def test_without_providers_nobody_can_tell(dep: Deployment) -> None:
    dep.push(auth=[])
    assert refused(dep, signed()) == "NoAuthProvider"


GOOD = signed(name="Ada")
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\x00é"


@st.composite
def mutations(draw: st.DrawFn) -> str:
    text = GOOD
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 4)))
        text = text[:start] + draw(st.text(CHARACTERS, max_size=4)) + text[end:]
    return text


@pytest.fixture(scope="module")
def standing() -> Iterator[Deployment]:
    with convex_nb.open(clock=VirtualClock(NOW * 1000)) as dep:
        dep.push(auth=[custom()])
        assert dep.auth.verify(GOOD)["name"] == "Ada"
        yield dep


@given(token=mutations())
@settings(max_examples=300)
def test_no_other_text_is_taken_for_a_good_token(standing: Deployment, token: str) -> None:
    if token == GOOD:
        return
    with pytest.raises(AuthenticationError):
        standing.auth.verify(token)


ANYTHING = st.none() | st.text() | st.integers() | st.booleans() | st.floats() | st.lists(st.text())
HEADERS = st.sampled_from(["alg", "typ", "kid", "crit", "b64", "jku", "jwk", "x5c"])
CLAIMS = st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "email", "tokenIdentifier"])


@given(header=st.dictionaries(HEADERS, ANYTHING), changed=st.dictionaries(CLAIMS, ANYTHING))
@settings(max_examples=200)
def test_nor_is_the_signature_of_a_good_one_under_another(
    standing: Deployment, header: dict[str, Any], changed: dict[str, Any]
) -> None:
    head, body, signature = GOOD.split(".")
    own_header = json.loads(urlsafe_b64decode(head + "=="))
    own_claims = json.loads(urlsafe_b64decode(body + "=="))
    token = f"{part({**own_header, **header})}.{part({**own_claims, **changed})}.{signature}"
    if token.split(".")[:2] == [head, body]:
        return
    with pytest.raises(AuthenticationError):
        standing.auth.verify(token)
