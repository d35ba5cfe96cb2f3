"""Whose tables are meant, and whose ids are refused."""

from __future__ import annotations

import pytest

from convex_nb.engine.database import Database
from convex_nb.engine.namespaces import EVERYBODY, ROOT, Namespace, managed_by, tables_called
from convex_nb.engine.reading.reader import DatabaseWriter
from convex_nb.engine.reading.system_reader import SystemWriter
from convex_nb.language.errors import InvalidIdError, InvalidValueError

SPACES = [
    space for component in ("", "a", "a/b") for space in (Namespace.of(component), Namespace.of(component).system)
]


def test_each_table_is_in_one_namespace() -> None:
    tables = [space.table("_storage" if space.is_system else "t") for space in SPACES]
    assert tables == ["t", "_storage", "a//t", "a//_storage", "a/b//t", "a/b//_storage"]
    for space in SPACES:
        assert [table for table in tables if space.holds(table)] == [tables[SPACES.index(space)]]
    assert [table for table in tables if managed_by("a").holds(table)] == tables[1::2]
    assert [table for table in tables if EVERYBODY.holds(table)] == tables[::2]
    assert tables_called("_storage", [*tables, "my_storage"]) == tables[1::2]


@pytest.mark.parametrize("name", ["a//t", "//t", "", "_t", "t/x", "a//_storage", 5])
def test_no_name_leads_into_another(name: object) -> None:
    for space in SPACES:
        with pytest.raises(InvalidValueError):
            space.table(name)


def test_ids_are_good_in_their_own_only() -> None:
    database = Database()
    transaction = database.begin()
    writers = {space: DatabaseWriter(transaction, space) for space in SPACES if not space.is_system}
    ids = {space: writer.insert("t", {"n": 1}) for space, writer in writers.items()}
    file = {space: SystemWriter(transaction, space.component).insert("_storage", {}) for space in writers}
    database.commit(transaction)
    transaction = database.begin()
    for space, id in [*ids.items(), *file.items()]:
        is_file = id in file.values()
        for other in SPACES:
            own = other is (space.system if is_file else space)
            # Twice: what was found once is remembered by the beginning of the id.
            for _ in range(2):
                if own:
                    document = transaction.get(id, None, other)
                    assert document is not None
                    assert document["_id"] == id
                else:
                    with pytest.raises(InvalidIdError):
                        transaction.get(id, None, other)
                    with pytest.raises(InvalidIdError):
                        transaction.delete(id, None, other)
        if not is_file:
            assert transaction.get(id, None, EVERYBODY) is not None
    for space, id in ids.items():
        assert DatabaseWriter(transaction, space).normalize_id("t", id) == id
        assert [DatabaseWriter(transaction, other).normalize_id("t", id) for other in ids if other is not space] == [
            None,
            None,
        ]
    assert ROOT.table("t") == "t"
