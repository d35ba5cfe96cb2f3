from __future__ import annotations

import pytest

from convex_nb.engine.names import check_table_name
from convex_nb.language.errors import InvalidValueError


@pytest.mark.parametrize("name", ["tasks", "A", "a_1", "x" * 64])
def test_names_of_tables(name: str) -> None:
    assert check_table_name(name) == name


@pytest.mark.parametrize("name", ["", "1a", "a b", "a-b", "é", "x" * 65, "_storage", "_", None, 5, b"a", ["a"]])
def test_what_is_no_name(name: object) -> None:
    for _ in range(2):
        with pytest.raises(InvalidValueError):
            check_table_name(name)
