from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pytest

import convex_nb
from convex_nb import Int64, InvalidValueError, define_schema, define_table, v
from convex_nb.testing import ConvexTest


def test_a_table_is_columns() -> None:
    with convex_nb.open() as dep:
        ids = dep.transact(
            lambda db: db.insert_many("t", [{"n": 1, "s": "a", "b": True}, {"n": 2.5, "x": [1, {"y": None}]}])
        )
        table = dep.table("t").arrow()
        assert table.column_names[:2] == ["_id", "_creationTime"]
        assert table["_id"].to_pylist() == ids
        assert table["n"].to_pylist() == [1.0, 2.5]
        assert table["s"].to_pylist() == ["a", None]
        assert table["b"].to_pylist() == [True, None]
        assert table["x"].to_pylist()[0] is None
        frame = dep.table("t").df()
        assert frame["s"][0] == "a"
        assert dep.table("t").count() == len(dep.table("t")) == len(frame) == 2


def test_a_table_follows_the_newest_commit() -> None:
    with convex_nb.open() as dep:
        table = dep.table("t")
        assert (table.count(), len(table.df()), table.arrow().column_names) == (0, 0, ["_id", "_creationTime"])
        assert (repr(dep.tables), "t" in dep.tables) == ("no tables", False)
        for n in range(3):
            dep.transact(lambda db, n=n: db.insert("t", {"n": n}))  # type: ignore[misc]
            assert table.count() == n + 1
        assert repr(dep.tables) == "t: 3 documents"
        assert dep.tables["t"].indexes == {"by_id": ("_id",), "by_creation_time": ("_creationTime",)}
        assert dep.table("nowhere").indexes == {}
        with pytest.raises(KeyError):
            dep.tables["nowhere"]
        with pytest.raises(InvalidValueError):
            dep.table("_system")


def test_a_name_that_is_almost_that_of_a_table_is_doubted() -> None:
    said = "There is no table 'mesages': did you mean 'messages'?"
    with convex_nb.open() as dep:
        misspelt, component = dep.table("mesages"), dep.table("mesages", component="likes")
        # Nothing is called so yet: it may be what the first insert will make.
        assert (len(misspelt.df()), repr(misspelt)) == (0, "<Table mesages: 0 documents>")
        dep.push(define_schema({"messages": define_table({"body": v.string()}), "message": define_table({})}))
        for columns in (misspelt.df, misspelt.arrow, misspelt.__arrow_c_stream__):
            with pytest.warns(UserWarning, match=re.escape(said)) as warned:
                columns()
            assert warned[0].filename == __file__
        assert (repr(misspelt), misspelt.count()) == (f"<Table mesages: 0 documents. {said}>", 0)
        assert misspelt._repr_html_() == f"<code>mesages</code>: 0 documents. {said}"
        for silent in ("messages", "message", "notes", "_storage"):
            assert (len(dep.table(silent).df()), "did you mean" in repr(dep.table(silent))) == (0, False)
        assert len(component.df()) == 0
        dep.transact(lambda db: db.insert("mesages", {}))
        assert (len(misspelt.df()), repr(misspelt)) == (1, "<Table mesages: 1 document>")


def test_rows_are_in_the_order_of_creation_whatever_the_segments_are() -> None:
    with ConvexTest() as test:
        dep = test.deployment

        def add(n: int) -> Any:
            return dep.transact(lambda db: db.insert("t", {"n": n}))

        dep.import_table("t", pa.table({"n": [0, 1, 2]}))
        ids = [add(3), add(4)]
        dep.import_table("t", pa.table({"n": [5, 6]}))
        add(7)
        dep.transact(lambda db: db.patch(dep.table("t").df()["_id"][1], {"n": 10}))
        dep.transact(lambda db: db.delete(ids[0]))
        assert list(dep.table("t").df()["n"]) == [0, 10, 2, 4, 5, 6, 7]


def test_the_html_of_a_table_is_escaped_and_whole_numbers_stay_whole() -> None:
    with convex_nb.open() as dep:
        dep.transact(lambda db: db.insert("t", {"big": Int64(2**62)}))
        assert dep.table("t").df()["big"][0] == 2**62
        assert dep.table("t")._repr_html_() == "<code>t</code>: 1 document"


def test_how_far_a_staged_index_is() -> None:
    things = convex_nb.define_table({"n": convex_nb.v.number()})
    with convex_nb.open() as dep:
        assert dep.table("things").staged == {}
        dep.push(convex_nb.define_schema({"things": things.index("by_n", ["n"], staged=True)}))
        dep.import_table("things", pa.table({"n": [1, 2]}))
        while not dep.table("things").staged["by_n"].is_ready:
            dep._database.maintain(100)
        assert dep.table("things").staged == {"by_n": (("n",), 2, 2)}
        assert "by_n" not in dep.table("things").indexes
