"""Databases whose table ``items`` lies in several segments, some rows of them dead, and in recent documents."""

from __future__ import annotations

from hypothesis import strategies as st

from convex_nb.engine.database import Database
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import import_all, insert_all, make_database
from tests.engine.documents import field_lists

TABLE = "items"
INDEXES = {"by_creation_time": (), "by_a": ("a",), "by_b_a": ("b", "a"), "by_id": ("_id",)}


@st.composite
def databases(draw: st.DrawFn) -> Database:
    """Up to three imports, commits that change and delete some of what they brought, and documents on top."""
    table = define_table(v.any())
    for name, fields in INDEXES.items():
        if name not in ("by_creation_time", "by_id"):
            table = table.index(name, list(fields))
    database = make_database(define_schema({TABLE: table}))
    for number in range(draw(st.integers(0, 4))):
        imported = [
            {name.lstrip("_").replace(" ", "_"): value for name, value in each.items()}
            for each in draw(field_lists(max_size=10))
        ]
        if number < 3:
            import_all(database, TABLE, imported)
        else:
            insert_all(database, TABLE, imported)
        change_some(draw, database)
    return database


def change_some(draw: st.DrawFn, database: Database) -> None:
    """Delete and replace a few of the documents that are there."""
    ids = [document["_id"] for document in database.begin().read(TABLE, "by_creation_time", b"", b"\xff")]
    for chosen in draw(st.lists(st.sampled_from(ids), unique=True, max_size=3)) if ids else ():
        transaction = database.begin()
        if draw(st.booleans()):
            transaction.delete(chosen)
        else:
            transaction.replace(chosen, draw(st.fixed_dictionaries({}, optional={"a": st.integers(-2, 2)})))
        database.commit(transaction)
