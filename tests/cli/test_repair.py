from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Cli


def test_a_whole_file_is_saved_whole(app: Path, cli: Cli) -> None:
    said = cli("repair", "app.convex", "--json")
    assert said.code == 0
    assert said.json == {"file": "app.repaired.convex", "documents": {"messages": 3}, "lost": []}
    assert len(cli("data", "app.repaired.convex", "messages", "--json").json) == 3


def test_a_damaged_file_is_refused_and_repaired(app: Path, cli: Cli) -> None:
    file = app / "app.convex"
    content = bytearray(file.read_bytes())
    position = content.index(b"three")
    content[position : position + 5] = b"THREE"
    file.write_bytes(content)
    assert cli("data", "app.convex").code == 4
    said = cli("repair", "app.convex", "saved.convex")
    assert said.code == 4
    assert "Lost:\n  Commit" in said.out
    assert [each["body"] for each in cli("data", "saved.convex", "messages", "--json").json] == ["two", "one"]
    assert file.read_bytes() == content


def test_nothing_is_written_over(app: Path, cli: Cli) -> None:
    (app / "notes.txt").write_text("mine")
    said = cli("repair", "app.convex", "notes.txt")
    assert (said.code, said.out) == (1, "")
    assert "exists already" in said.err
    assert (app / "notes.txt").read_text() == "mine"
    assert cli("repair", "missing.convex").code == 1
    assert cli("repair").code == 2
