"""Addresses: what is said of them never has a password."""

from __future__ import annotations

import pytest

from convex_nb.engine.postgres.address import Address, is_address
from convex_nb.language.errors import InvalidValueError


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("postgresql://ada:s3cret@db.example:5433/app", "postgresql://ada@db.example:5433/app"),
        ("postgres://ada@db.example/app?password=s3cret", "postgresql://ada@db.example/app"),
        ("postgresql:///app?host=/var/run/postgresql&user=ada&password=s3cret", "postgresql://ada@/app"),
        ("postgresql://db.example", "postgresql://db.example/"),
        ("postgresql://a:p%40ss@one:1,two:2/app?sslmode=require", "postgresql://a@one,two:1,2/app"),
    ],
)
def test_what_it_is_called(uri: str, text: str) -> None:
    address = Address(uri)
    assert address.text == text
    assert repr(address) == f"Address({text!r})"
    assert is_address(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "postgresql://ada:s3@cret@db.example/app",
        "postgresql://ada:s3/cret@db.example/app",
        "postgresql://ada:s3cret@db.example:no/app",
        "postgresql://ada:s3cret@db.example/app?nosuch=1",
        "postgresql://ada:s3cret@[db.example/app",
        "postgresql://ada:s3%zzcret@db.example/app",
    ],
)
def test_what_cannot_be_read_is_refused_without_being_repeated(uri: str) -> None:
    with pytest.raises(InvalidValueError, match="percent") as caught:
        Address(uri)
    said = str(caught.value) + repr(caught.value) + repr(caught.value.__dict__)
    assert "s3" not in said
    assert "cret" not in said
    assert caught.value.__cause__ is None


def test_a_text_of_the_servers_loses_the_password() -> None:
    assert Address("postgresql://ada:s3cret@x/y").without_secrets("no s3cret here") == "no *** here"
