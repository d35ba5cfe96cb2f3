from __future__ import annotations

import csv
from pathlib import Path

import pytest

import convex_nb
from tests.cli.conftest import Cli


def test_everything_goes_to_a_zip_and_comes_back(app: Path, cli: Cli) -> None:
    with convex_nb.open(app / "app.convex") as dep, dep.transaction() as db:
        db.insert("odd", {"n": convex_nb.Int64(5), "data": b"\x00", "nan": float("nan"), "zero": -0.0})
    said = cli("export", "app.convex", "all.zip")
    assert (said.code, said.out, said.err) == (0, "all.zip: 4 documents of 2 tables\n", "")
    assert cli("import", "new.convex", "all.zip", "--create", "--json").json == {"imported": {"messages": 3, "odd": 1}}
    for table in ("messages", "odd"):
        old, new = [cli("data", file, table, "--json").json for file in ("app.convex", "new.convex")]
        assert old == new


def test_the_modes_of_a_zip(app: Path, cli: Cli) -> None:
    cli("export", "app.convex", "all.zip")
    (app / "rows.csv").write_text("a\n1\n")
    cli("import", "app.convex", "rows.csv", "--table", "other")
    said = cli("import", "app.convex", "all.zip")
    assert said.code == 1
    assert "--append" in said.err
    assert "--replace-all" in said.err
    assert "mode=" not in said.err
    assert cli("import", "app.convex", "all.zip", "--replace").out == "messages: 3 documents imported\n"
    tables = {table["name"]: table["documents"] for table in cli("data", "app.convex", "--json").json}
    assert tables == {"messages": 3, "other": 1}
    assert cli("import", "app.convex", "all.zip", "--replace-all").code == 0
    tables = {table["name"]: table["documents"] for table in cli("data", "app.convex", "--json").json}
    assert tables == {"messages": 3, "other": 0}


def test_a_folder_gets_a_file_named_after_the_moment(app: Path, cli: Cli) -> None:
    (app / "out").mkdir()
    for words in (("out",), ("--path", "out")):
        said = cli("export", "app.convex", *words, "--json")
        path = Path(said.json["path"])
        assert path.parent == Path("out")
        assert path.name.startswith("snapshot_")
        assert path.is_file()
    assert Path(cli("export", "app.convex", "--json").json["path"]).is_file()


def test_stored_files_go_along_unless_they_are_not_wanted(app: Path, cli: Cli) -> None:
    with convex_nb.open(app / "app.convex") as dep:
        id = dep.files.store(b"abc")
    assert cli("export", "app.convex", "all.zip").out == "all.zip: 3 documents of 1 table, 1 file\n"
    assert cli("export", "app.convex", "all.zip", "--json").json["files"] == 1
    assert cli("import", "new.convex", "all.zip", "--create").code == 0
    with convex_nb.open(app / "new.convex", read_only=True) as dep:
        assert dep.files[id].read() == b"abc"
    assert cli("export", "app.convex", "all.zip", "--without-files").out == "all.zip: 3 documents of 1 table\n"
    assert cli("import", "other.convex", "all.zip", "--create", "--json").json == {"imported": {"messages": 3}}


def test_one_table(app: Path, cli: Cli) -> None:
    assert (
        cli("export", "app.convex", "messages.csv", "--table", "messages").out
        == "messages.csv: 3 documents of 1 table\n"
    )
    with (app / "messages.csv").open(newline="") as file:
        assert [row["body"] for row in csv.DictReader(file)] == ["one", "two", "three"]


def test_beside_a_notebook(app: Path, cli: Cli) -> None:
    with convex_nb.open(app / "app.convex"):
        assert cli("export", "app.convex", "all.zip").code == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["all.zip", "--path", "other.zip"], 2, "Two paths are given, all.zip and other.zip"),
        (["--table", "messages"], 2, "Into which file?"),
        (["messages.csv"], 1, "is not the name of a ZIP file"),
        (["nowhere/all.zip"], 1, "There is no folder"),
        (["x.csv", "--table", "nothing"], 1, "There is no table 'nothing'"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_what_cannot_be_exported(app: Path, cli: Cli, words: list[str], code: int, message: str) -> None:
    said = cli("export", "app.convex", *words)
    assert (said.code, said.out) == (code, "")
    assert message in said.err
    assert {path.name for path in app.iterdir()} <= {"app.convex", "app.convex-shm", "app.convex-wal", "my_app"}
