"""Where keys come from: discovery, caching, keys that change, issuers that are not there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

import convex_nb
from convex_nb import AuthenticationError, Deployment
from convex_nb.services.authentication.fetching import LARGEST
from convex_nb.services.authentication.key_source import LIFETIME_SECONDS, LONGEST_SECONDS, KeySource
from convex_nb.services.authentication.providers import Provider, check_providers
from convex_nb.testing import VirtualClock
from tests.services.authentication.issuers import NOW, Issuer, custom, ec_key, issuing, public, rsa_key, signed

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def dep() -> Iterator[Deployment]:
    with convex_nb.open(clock=VirtualClock(NOW * 1000)) as dep:
        yield dep


class Source:
    """The keys of an issuer, by a clock of their own."""

    def __init__(self, issuer: Issuer) -> None:
        self.now = 0.0
        (self.provider,) = check_providers([{"domain": issuer.url, "applicationID": "app"}])
        self.keys = KeySource(self.provider, lambda: self.now)

    def has(self, id: str | None) -> bool:
        return bool(self.keys.find(id, "RS256"))


@pytest.fixture
def source(issuer: Issuer) -> Source:
    return Source(issuer)


def test_an_issuer_is_asked_once_and_only_when_a_token_of_it_comes(dep: Deployment, issuer: Issuer) -> None:
    dep.push(auth=[{"domain": issuer.url, "applicationID": "app"}, custom()])
    assert dep.auth.verify(signed())["issuer"] == "https://issuer.test"
    for token in (signed(iss=f"{issuer.url}/other"), signed(iss=issuer.url, aud="other")):
        with pytest.raises(AuthenticationError):
            dep.auth.verify(token)
    assert issuer.asked == []
    for iss in (issuer.url, f"{issuer.url}/"):
        assert dep.auth.verify(signed(iss=iss))["tokenIdentifier"] == f"{iss}|ada"
    assert issuer.asked == [DISCOVERY, "/keys"]


def test_a_domain_may_have_a_path(dep: Deployment, issuer: Issuer) -> None:
    dep.push(auth=[{"domain": f"{issuer.url}/realms/a", "application_id": "app"}])
    assert dep.auth.verify(signed(iss=f"{issuer.url}/realms/a"))["subject"] == "ada"
    assert issuer.asked == [f"/realms/a{DISCOVERY}", "/keys"]


def test_keys_at_an_address(dep: Deployment, issuer: Issuer) -> None:
    issuer.keys = [public(ec_key())]
    dep.push(auth=[custom(jwks=f"{issuer.url}/keys", algorithm="ES256")])
    assert dep.auth.verify(signed(ec_key(), "ES256"))["subject"] == "ada"
    assert issuer.asked == ["/keys"]


def test_oidc_does_with_neither_type_nor_name_of_a_key(dep: Deployment, issuer: Issuer) -> None:
    issuer.keys = [public(rsa_key(1), None), public(rsa_key(), None)]
    dep.push(auth=[{"domain": issuer.url, "applicationID": "app"}])
    assert dep.auth.verify(signed(iss=issuer.url, header={"typ": None, "kid": None}))["subject"] == "ada"


def test_a_new_key_is_fetched_when_a_token_names_it(issuer: Issuer, source: Source) -> None:
    assert source.has("one")
    issuer.keys.append(public(rsa_key(1), "two"))
    assert not source.has("two"), "asked a moment ago"
    source.now += 10
    assert source.has("two")
    assert len(issuer.asked) == 4


def test_made_up_names_do_not_make_us_ask_for_each(issuer: Issuer, source: Source) -> None:
    assert not any(source.has(f"made up {number}") for number in range(50))
    assert len(issuer.asked) == 2


def test_a_key_that_was_withdrawn_is_forgotten(issuer: Issuer, source: Source) -> None:
    assert source.has("one")
    issuer.keys = [public(rsa_key(1), "two")]
    source.now = LIFETIME_SECONDS - 1
    assert source.has("one")
    source.now = LIFETIME_SECONDS
    assert not source.has("one")


def test_known_keys_last_a_day_while_the_issuer_is_away(issuer: Issuer, source: Source) -> None:
    assert source.has("one")
    issuer.answers[DISCOVERY] = (503, b"", {})
    source.now = LONGEST_SECONDS
    assert source.has("one")
    source.now += 10
    with pytest.raises(AuthenticationError, match="could not be had"):
        source.has("one")
    del issuer.answers[DISCOVERY]
    source.now += 10
    assert source.has("one")


BROKEN: dict[str, tuple[int, bytes, dict[str, str]]] = {
    "not there": (404, b"", {}),
    "no JSON": (200, b"<html>", {}),
    "no object": (200, b"[]", {}),
    "deep": (200, b"[" * 100_000, {}),
    "endless": (200, b" " * (LARGEST + 1), {}),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
def test_what_is_no_issuer(issuer: Issuer, source: Source, answer: tuple[int, bytes, dict[str, str]]) -> None:
    issuer.answers[DISCOVERY] = answer
    for _ in range(2):
        with pytest.raises(AuthenticationError, match=f"{issuer.url} could not be had: ") as caught:
            source.has("one")
        assert caught.value.code == "AuthProviderDiscoveryFailed"
    assert len(issuer.asked) == 1, "not again at once"


def test_what_speaks_for_another_issuer(issuer: Issuer, source: Source) -> None:
    found = {"issuer": "https://evil.test", "jwks_uri": f"{issuer.url}/keys"}
    issuer.answers[DISCOVERY] = (200, json.dumps(found).encode(), {})
    with pytest.raises(AuthenticationError, match=r"is of the issuer 'https://evil\.test'"):
        source.has("one")


def test_where_an_issuer_sends_us(issuer: Issuer, source: Source) -> None:
    for place, why in (("file:///etc/passwd", "not allowed"), ("http://evil.test/keys", "the address of its keys")):
        source.now += 10
        issuer.answers[DISCOVERY] = (302, b"", {"Location": place})
        with pytest.raises(AuthenticationError, match=why):
            source.has("one")
    source.now += 10
    issuer.answers[DISCOVERY] = (302, b"", {"Location": f"{issuer.url}/moved{DISCOVERY}"})
    found = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
    issuer.answers[f"/moved{DISCOVERY}"] = (200, json.dumps(found).encode(), {})
    assert source.has("one")


def test_keys_are_not_taken_from_just_anywhere(issuer: Issuer, source: Source) -> None:
    for uri in ("file:///etc/passwd", "http://evil.test/keys", None):
        source.now += 10
        issuer.answers[DISCOVERY] = (200, json.dumps({"issuer": issuer.url, "jwks_uri": uri}).encode(), {})
        with pytest.raises(AuthenticationError, match="the address of its keys"):
            source.has("one")


def test_an_issuer_that_is_not_there() -> None:
    with issuing() as gone:
        provider = Provider("oidc", gone.url, "app", "", ("RS256",))
    with pytest.raises(AuthenticationError, match="refused"):
        KeySource(provider).find("one", "RS256")


def test_all_who_come_at_once_are_served_by_one_request(issuer: Issuer, source: Source) -> None:
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(source.has("one"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8
    assert len(issuer.asked) == 2
