"""Auth providers as a part of a deployment: pushed, kept, loaded; and what helps to find what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    AuthenticationError,
    Deployment,
    QueryCtx,
    SchemaDefinitionError,
    SchemaValidationError,
    define_schema,
    define_table,
    query,
    v,
)

OIDC = {"domain": "https://a.test", "applicationID": "app"}
OTHER = {"domain": "https://b.test", "applicationID": "app"}


@query("auth:who")
def who(ctx: QueryCtx) -> Any:
    return ctx.auth.get_user_identity()


def test_the_same_again_changes_nothing() -> None:
    with convex_nb.open() as dep:
        dep.push(auth=[OIDC, OTHER])
        before = dep.timestamp
        dep.push(auth={"providers": [OIDC, {"domain": "b.test", "application_id": "app"}]})
        assert dep.timestamp == before
        dep.push(define_schema({}))
        assert dep.auth.providers == [OIDC, OTHER]
        dep.push(auth=[OTHER, OIDC])
        assert dep.auth.providers == [OTHER, OIDC]
        dep.push(auth=[])
        assert dep.auth.providers == []
        assert repr(dep.auth) == "no auth providers: dep.push(auth=[...])"


def test_all_or_nothing() -> None:
    with convex_nb.open() as dep:
        dep.push(auth=[OIDC])
        dep.transact(lambda db: db.insert("notes", {"text": 1}))
        schema = define_schema({"notes": define_table({"text": v.string()})})
        with pytest.raises(SchemaValidationError):
            dep.push(schema, auth=[OTHER])
        with pytest.raises(SchemaDefinitionError, match="Auth provider 2"):
            dep.push(define_schema({}), auth=[OTHER, {}])
        assert dep.auth.providers == [OIDC]
        assert dep.schema is None


def test_a_file_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "app.convex"
    with convex_nb.open(path) as dep:
        issuer = dep.auth.dev_issuer()
        dep.push(auth=[OIDC, issuer.provider])
        assert dep.fork().auth.providers == [OIDC, issuer.provider]
    with convex_nb.open(path) as dep:
        assert dep.auth.providers == [OIDC, issuer.provider]
        assert dep.auth.verify(issuer.token())["subject"] == "ada"


def test_a_module_has_an_auth_config(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "auth.py").write_text(f"auth_config = {{'providers': [{OIDC!r}]}}\n")
    with convex_nb.open() as dep:
        dep.load(str(tmp_path / "one"))
        assert dep.auth.providers == [OIDC]
        (tmp_path / "two" / "more.py").write_text("auth_config = {'providers': []}\n")
        with pytest.raises(SchemaDefinitionError, match="each define `auth_config`"):
            dep.load(str(tmp_path / "two"))
        assert dep.auth.providers == [OIDC]


def test_a_client_acts_for_the_bearer_of_a_token() -> None:
    with convex_nb.open() as dep:
        dep.register(who)
        issuer = dep.auth.dev_issuer()
        dep.push(auth=[issuer.provider])
        identity = dep.auth.verify(issuer.token("ada", name="Ada"))
        assert dep.client(identity).query("auth:who") == identity
        with pytest.raises(AuthenticationError):
            dep.auth.verify(dep.auth.dev_issuer().token())


@pytest.fixture
def dep() -> Any:
    with convex_nb.open() as dep:
        yield dep


def test_a_report_says_which_claim_differs(dep: Deployment) -> None:
    issuer = dep.auth.dev_issuer()
    dep.push(auth=[OIDC, issuer.provider])
    token = issuer.token(aud="another")
    report = dep.auth.debug(token)
    assert report.identity is None
    assert report.claims["aud"] == "another"
    assert report.differences["1: https://a.test"][0].startswith("`iss` is 'https://dev-issuer.test', not")
    assert report.differences["2: https://dev-issuer.test"] == ["`aud` is 'another', not 'convex'"]
    for text in (repr(report), report._repr_html_()):
        assert "refused: No auth provider of this deployment issues this token" in text
        assert token.rpartition(".")[2] not in text


def test_a_report_of_a_good_token_and_of_none(dep: Deployment) -> None:
    issuer = dep.auth.dev_issuer()
    assert "Push some" in dep.auth.debug(issuer.token()).problem
    dep.push(auth=[issuer.provider])
    report = dep.auth.debug(issuer.token())
    assert report.identity == {"issuer": issuer.issuer, "subject": "ada", "tokenIdentifier": f"{issuer.issuer}|ada"}
    assert repr(report).startswith("good: 'https://dev-issuer.test|ada'\n")
    assert "belongs to the header" in repr(dep.auth.debug(f"Bearer {issuer.token()}"))
    assert repr(issuer) == "<DevIssuer https://dev-issuer.test for 'convex': .token(subject), .provider>"
    assert "PRIVATE" not in repr(vars(issuer))
