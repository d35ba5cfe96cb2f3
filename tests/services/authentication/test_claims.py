"""What functions are told of the claims of a token."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.language.errors import AuthenticationError
from convex_nb.services.authentication.claims import identity_of

OWN = {"iss": "https://a.test", "sub": "ada"}


def told(is_flat: bool = True, **claims: Any) -> dict[str, Any]:
    found = dict(identity_of({**claims, **OWN}, is_flat=is_flat).claims)
    assert (found.pop("issuer"), found.pop("subject")) == ("https://a.test", "ada")
    assert found.pop("tokenIdentifier") == "https://a.test|ada"
    return found


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"given_name": "Ada", "family_name": "L"}, {"givenName": "Ada", "familyName": "L"}),
        ({"picture": "p", "profile": "q", "locale": "en"}, {"pictureUrl": "p", "profileUrl": "q", "language": "en"}),
        ({"birthdate": "1815-12-10", "zoneinfo": "UTC"}, {"birthday": "1815-12-10", "timezone": "UTC"}),
        ({"email_verified": True}, {"emailVerified": True}),
        ({"email_verified": "false"}, {"emailVerified": False}),
        ({"updated_at": 1_700_000_000}, {"updatedAt": "2023-11-14T22:13:20Z"}),
        ({"updated_at": "2023-11-14T22:13:20Z"}, {"updatedAt": "2023-11-14T22:13:20Z"}),
        ({"updated_at": 1e300}, {"updatedAt": 1e300}),
        ({"roles": ["a", "b"], "https://a.test/org": "x"}, {"roles": ["a", "b"], "https://a.test/org": "x"}),
        ({"properties": {"a": {"b": 1}, "c": [1]}}, {"properties.a.b": 1, "properties.c": [1]}),
        ({"aud": "x", "exp": 1, "iat": 2, "nbf": 3, "jti": "4", "at_hash": "5"}, {}),
        ({"$odd": 1, "é": 2, "big": 2**70, "text": "\ud800"}, {}),
    ],
)
def test_claims_have_the_names_that_functions_know(claims: dict[str, Any], expected: dict[str, Any]) -> None:
    assert told(**claims) == expected


def test_nested_claims_of_oidc_stay_as_they_are() -> None:
    claims = {"properties": {"a": {"b": 1}}, "address": {"formatted": "Here"}}
    assert told(is_flat=False, **claims) == claims


def test_no_claim_makes_its_bearer_somebody_else() -> None:
    evil: dict[str, Any] = {"tokenIdentifier": "https://a.test|root", "subject": "root", "issuer": "https://b.test"}
    assert told(**evil) == told(is_flat=False, **evil) == {}


def test_a_new_token_of_the_same_user_is_the_same_identity() -> None:
    old = identity_of({**OWN, "exp": 1, "iat": 1, "jti": "a", "name": "Ada"}, is_flat=True)
    new = identity_of({**OWN, "exp": 2, "iat": 2, "jti": "b", "name": "Ada"}, is_flat=True)
    assert old.key == new.key
    assert old.key != identity_of({**OWN, "name": "Eve"}, is_flat=True).key


def test_a_subject_has_to_be_a_text() -> None:
    with pytest.raises(AuthenticationError, match="not valid Unicode"):
        identity_of({**OWN, "sub": "\ud800"}, is_flat=True)
