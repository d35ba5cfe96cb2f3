from __future__ import annotations

import pytest

from convex_nb.engine.system_tables import SYSTEM_TABLES
from convex_nb.engine.table_register import TableRegister
from convex_nb.language.errors import InvalidIdError, LimitError
from convex_nb.language.ids import FIRST_USER_TABLE, encode_id


def register(most: int = 100, gone: int = 0) -> TableRegister:
    return TableRegister(most, lambda: gone)


def id_of(number: int) -> str:
    return encode_id(number, bytes(16))


def test_a_name_keeps_its_number() -> None:
    tables = register()
    first, second = tables.number("items"), tables.number("notes")
    assert (first, second) == (FIRST_USER_TABLE, FIRST_USER_TABLE + 1)
    assert tables.number("items") == first
    assert {tables.names[table.number] for table in SYSTEM_TABLES.values()} == SYSTEM_TABLES.keys()


def test_numbers_are_given_out_once() -> None:
    tables = register()
    assert tables.unused_number() == FIRST_USER_TABLE
    tables.take(FIRST_USER_TABLE + 10)
    assert tables.number("items") == FIRST_USER_TABLE + 11
    tables.remember("notes", FIRST_USER_TABLE + 20)
    assert tables.number("others") == FIRST_USER_TABLE + 21


def test_an_import_gives_a_table_the_number_of_another() -> None:
    tables = register()
    number = tables.number("items")
    assert tables.table_of(id_of(number), "get") == "items"
    tables.remember("notes", number)
    assert tables.table_of(id_of(number), "get") == "notes"
    assert tables.number("items") != number
    tables.remember("notes", 20_000)
    tables.remember_former([("notes", 30_000)])
    assert [tables.table_of(id_of(each), "get") for each in (20_000, 30_000, 40_000)] == ["notes", "notes", None]


@pytest.mark.parametrize(("gone", "allowed"), [(0, 2), (1, 3)])
def test_dropped_tables_do_not_count(gone: int, allowed: int) -> None:
    tables = register(2, gone)
    for number in range(allowed):
        tables.number(f"t{number}")
    with pytest.raises(LimitError, match="at most 2 tables; 'more' was not created"):
        tables.number("more")


def test_what_an_id_is_of() -> None:
    tables = register()
    number = tables.number("items")
    found = [tables.named_by(each) for each in (id_of(number), id_of(number + 1), "no id", 7, None)]
    assert found == ["items", None, None, None, None]


def test_ids_of_other_tables_are_refused() -> None:
    tables = register()
    number = tables.number("items")
    for _ in range(2):  # found out, then remembered
        with pytest.raises(InvalidIdError, match='expected to be an Id<"notes">, got Id<"items"> instead'):
            tables.table_of(id_of(number), "get", "notes")
    with pytest.raises(InvalidIdError, match=r"Invalid argument `id` for `db\.patch`"):
        tables.check("no id", "patch")
