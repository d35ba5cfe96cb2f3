"""`%convex export | import | history`."""

from __future__ import annotations

from pathlib import Path

import pytest

import convex_nb
from tests.notebook.conftest import Notebook


def test_a_table_goes_out_and_in_again(chat: Notebook, tmp_path: Path) -> None:
    chat.ok('send(author="Ada", body="hello")')
    said = chat.ok(f"%convex export {tmp_path}/a.jsonl messages").value.text()
    assert "exported the table messages" in said
    assert (
        "imported 1 documents into messages"
        in chat.ok(f"%convex import messages {tmp_path}/a.jsonl replace").value.text()
    )
    (tmp_path / "b.jsonl").write_text('{"author": "Bob", "body": "x"}\n')
    said = chat.ok(f"%convex import messages '{tmp_path}/b.jsonl'").value.text()
    assert "imported 1 documents into messages, 2 in all" in said


def test_everything_goes_out(chat: Notebook, tmp_path: Path) -> None:
    chat.ok('send(author="Ada", body="hello")')
    chat.ok(f"%convex export {tmp_path}/a.zip")
    with convex_nb.open() as dep:
        assert dep.import_zip(tmp_path / "a.zip") == {"messages": 1}


def test_history(chat: Notebook) -> None:
    assert [row[1::2] for row in chat.ok("%convex history").value.rows] == [["schema", "messages", ""]]
    chat.ok('send(author="Ada", body="hello")')
    chat.ok("%%convex_mutation\ndb.patch(db.query('messages').first()['_id'], {'body': 'bye'})")
    rows = chat.ok("%convex history messages").value.rows
    assert [row[4] for row in rows] == ["changed", "inserted"]
    assert "hello" in rows[0][5]
    assert "bye" in rows[0][5]
    assert rows[1][1] == "messages:send"
    assert len(chat.ok(f"%convex history messages {rows[0][3]}").value.rows) == 2
    chat.ok("%%convex_mutation\ndb.delete(db.query('messages').first()['_id'])")
    assert chat.ok("%convex history").value.rows[0][4] == "deleted"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("history mesages", "no table 'mesages'. Did you mean messages?"),
        ("history messages a b", "'b' is one word too many"),
        ("history 'a", "No closing quotation"),
        ("import messages", "takes TABLE PATH"),
        ("import messages a.zip", "dep.import_zip('a.zip')"),
        ("import messages none.csv", "There is no file none.csv"),
        ("export", "takes PATH"),
        ("export a.txt", "a.txt is not the name of a ZIP file"),
    ],
)
def test_wrong_usage(chat: Notebook, line: str, said: str) -> None:
    assert said in chat.run(f"%convex {line}").text
