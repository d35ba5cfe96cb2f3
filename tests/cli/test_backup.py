from __future__ import annotations

from pathlib import Path

import pytest

import convex_nb
from tests.cli.conftest import Cli


def documents(cli: Cli, file: str | Path) -> dict[str, object]:
    tables = [table["name"] for table in cli("data", file, "--json").json]
    return {name: cli("data", file, name, "--json").json for name in tables}


def test_a_backup_holds_everything_and_brings_it_back(app: Path, cli: Cli) -> None:
    before = documents(cli, "app.convex")
    said = cli("backup", "app.convex", "copy.convex")
    assert (said.code, said.out, said.err) == (0, "copy.convex: 3 documents of 1 table, verified\n", "")
    assert documents(cli, "copy.convex") == before
    with convex_nb.open(app / "app.convex") as dep, dep.transaction() as db:
        for document in db.query("messages").collect():
            db.delete(document["_id"])
        db.insert("others", {"n": 1})
    said = cli("restore", "app.convex", "copy.convex")
    assert said.code == 0
    assert "messages: 3 documents\n" in said.out
    assert documents(cli, "app.convex") == {**before, "others": []}


def test_a_folder_gets_a_file_named_after_the_moment(project: Path, cli: Cli) -> None:
    (project / "backups").mkdir()
    form = cli("backup", "app.convex", "backups", "--json").json
    assert [Path(form["path"])] == list(Path("backups").glob("backup_*.convex"))
    assert form["documents"] == {"messages": 3}
    assert Path(cli("backup", "--path", "one.convex", "--json").json["path"]) == Path("one.convex")
    assert len(list(project.glob("backup_*.convex"))) == 0
    assert cli("backup").code == 0
    assert len(list(project.glob("backup_*.convex"))) == 1
    for command in ("backup", "export"):
        made = Path(cli(command, "app.convex", "made/of/", "--json").json["path"])
        assert made.parent == Path("made/of")
        assert made.is_file()


def test_beside_a_notebook(app: Path, cli: Cli) -> None:
    with convex_nb.open(app / "app.convex") as dep:
        assert cli("backup", "app.convex", "copy.convex").code == 0
        assert cli("restore", "app.convex", "copy.convex").code == 3
        assert dep.table("messages").count() == 3


def test_a_backup_is_verified(app: Path, cli: Cli) -> None:
    assert cli("backup", "app.convex", "copy.convex").code == 0
    before = {path.name for path in app.iterdir()} | {"copy.convex-shm", "copy.convex-wal"}
    assert cli("backup", "--verify", "copy.convex").out == "copy.convex: 3 documents of 1 table, verified\n"
    assert cli("backup", "--verify", "missing.convex").code == 1
    content = bytearray((app / "copy.convex").read_bytes())
    position = content.index(b"three")
    content[position : position + 5] = b"THREE"
    (app / "copy.convex").write_bytes(content)
    for words in (("backup", "--verify"), ("restore", "app.convex")):
        said = cli(*words, "copy.convex")
        assert (said.code, said.out) == (4, "")
        assert "copy.convex" in said.err
    assert {path.name for path in app.iterdir()} <= before
    assert len(cli("data", "app.convex", "messages", "--json").json) == 3


def test_nothing_is_written_over(app: Path, cli: Cli) -> None:
    (app / "notes.txt").write_text("mine")
    assert cli("backup", "app.convex", "notes.txt").code == 1
    assert cli("backup", "app.convex", "app.convex").code == 1
    assert cli("backup", "app.convex", "nowhere/copy.convex").code == 1
    assert cli("backup", "app.convex", "a", "--path", "b").code == 2
    assert (app / "notes.txt").read_text() == "mine"


def test_a_zip_is_restored_too(project: Path, cli: Cli) -> None:
    cli("export", "all.zip")
    assert cli("restore", "new.convex", "all.zip", "--create").out == "messages: 3 documents\n"
    assert cli("restore", "all.zip", "--json").json == {"documents": {"messages": 3}}


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 1)])
def test_whoever_is_there_is_asked(
    project: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int
) -> None:
    cli("backup", "app.convex", "copy.convex")
    monkeypatch.setattr("convex_nb.cli.console.Console.confirm", lambda *_: answer)
    assert cli("restore", "copy.convex").code == code
    assert cli("restore", "copy.convex", "--yes").code == 0


def test_what_cannot_be_restored(project: Path, cli: Cli) -> None:
    assert cli("restore").code == 2
    assert cli("restore", "missing.convex").code == 1
    assert cli("restore", "missing.zip").code == 1
    (project / "notes.convex").write_text("hello")
    assert cli("restore", "notes.convex").code == 4
    assert len(cli("data", "messages", "--json").json) == 3


def test_a_moment_that_is_kept_comes_back(app: Path, cli: Cli) -> None:
    before = documents(cli, "app.convex")
    with convex_nb.open(app / "app.convex") as dep:
        moment = dep.timestamp
        with dep.transaction() as db:
            db.insert("messages", {"body": "too much"})
    assert cli("restore", "app.convex", "--at", str(moment), "--json").json == {"documents": {"messages": 3}}
    assert documents(cli, "app.convex") == before
    assert cli("restore", "app.convex", "--at", "1999-12-31T00:00:00Z").code == 1
    assert cli("restore", "app.convex", "--at", "yesterday").code == 2
    assert cli("restore", "app.convex", "copy.convex", "--at", str(moment)).code == 2
    assert documents(cli, "app.convex") == before
