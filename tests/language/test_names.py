"""The rules of names."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.language.errors import SchemaDefinitionError
from convex_nb.language.names import check_field_path, check_field_paths, check_identifier


@pytest.mark.parametrize("name", ["a", "by_author", "A1", "x" * 64, "a__"])
def test_good_identifiers(name: str) -> None:
    assert check_identifier(name, "Table") == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "not an identifier"),
        ("1a", "not an identifier"),
        ("a-b", "not an identifier"),
        ("a b", "not an identifier"),
        ("é", "not an identifier"),
        ("a\n", "not an identifier"),
        ("_a", "underscore"),
        ("___", "underscore"),
        ("x" * 65, "65 characters"),
        (5, "not a string"),
        (None, "not a string"),
    ],
)
def test_bad_identifiers(name: Any, message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=f"Table name .*{message}"):
        check_identifier(name, "Table")


@pytest.mark.parametrize("path", ["a", "a.b", "address.street.name", "a._b"])
def test_good_paths(path: str) -> None:
    assert check_field_path(path, "Index 'i'") == path


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "not a field"),
        (5, "not a field"),
        ("a..b", "cannot be a name"),
        (".a", "cannot be a name"),
        ("a.", "cannot be a name"),
        ("a.$b", "cannot be a name"),
        ("é", "cannot be a name"),
        ("_id", "system field"),
        ("_other", "system field"),
        ("_creationTime", "by itself"),
    ],
)
def test_bad_paths(path: Any, message: str) -> None:
    with pytest.raises(SchemaDefinitionError, match=f"Index 'i'.*{message}"):
        check_field_path(path, "Index 'i'")


def test_lists_of_paths() -> None:
    assert check_field_paths(["a", "b.c"], "Index 'i'", 2, "fields") == ("a", "b.c")
    for paths, message in (
        ("a", "list of fields"),
        (5, "list of fields"),
        (["a", "a"], "twice"),
        (["a", "b", "c"], "at most 2"),
    ):
        with pytest.raises(SchemaDefinitionError, match=message):
            check_field_paths(paths, "Index 'i'", 2, "fields")
