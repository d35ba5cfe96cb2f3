from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from convex_nb import Int64, define_schema, define_table, from_json, v
from convex_nb.cli.console import Console
from convex_nb.deployment.opening import open as open_deployment
from tests.cli.conftest import Cli

ROWS = "author,n\nAda,1\nBob,2\n"


@pytest.fixture
def rows(app: Path) -> Path:
    (app / "rows.csv").write_text(ROWS)
    return app / "rows.csv"


def counts(cli: Cli) -> dict[str, int]:
    return {table["name"]: table["documents"] for table in cli("data", "app.convex", "--json").json}


def test_a_new_table(rows: Path, cli: Cli) -> None:
    said = cli("import", "app.convex", "rows.csv", "--table", "people")
    assert (said.code, said.out, said.err) == (0, "people: 2 documents imported, 2 in all\n", "")
    documents = cli("data", "app.convex", "people", "--order", "asc", "--json").json
    assert [(each["author"], each["n"]) for each in documents] == [("Ada", 1), ("Bob", 2)]


def test_a_file_that_is_not_there_begins_no_deployment(app: Path, cli: Cli) -> None:
    for place in ("app.convex", "new.convex"):
        said = cli("import", place, "none.csv", "--table", "messages", "--create")
        assert (said.code, said.err) == (1, "error: There is no file none.csv: nothing was imported.\n")
    assert not (app / "new.convex").exists()


def test_a_table_that_has_documents_is_refused(rows: Path, cli: Cli) -> None:
    said = cli("import", "app.convex", "rows.csv", "--table", "messages")
    assert (said.code, said.out) == (1, "")
    assert said.err == (
        "error: The table 'messages' has 3 documents: nothing was imported. Say --append to add to them, or --replace "
        "to put the rows in their place.\n"
    )
    assert counts(cli) == {"messages": 3}


@pytest.mark.parametrize(("mode", "documents"), [("--append", 5), ("--replace", 2)])
def test_the_modes(rows: Path, cli: Cli, mode: str, documents: int) -> None:
    said = cli("import", "app.convex", "rows.csv", "--table", "messages", mode, "--json")
    assert said.json == {"table": "messages", "imported": 2, "documents": documents}
    assert counts(cli) == {"messages": documents}


@pytest.mark.parametrize(("answer", "code", "documents"), [(True, 0, 2), (False, 1, 3)])
def test_whoever_is_there_is_asked_before_documents_go(
    rows: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int, documents: int
) -> None:
    asked: list[str] = []

    def confirm(_: Console, question: str) -> bool:
        asked.append(question)
        return answer

    monkeypatch.setattr(Console, "confirm", confirm)
    assert cli("import", "app.convex", "rows.csv", "--table", "messages", "--replace").code == code
    assert asked == ["Replace the 3 documents of messages?"]
    assert counts(cli) == {"messages": documents}


def test_yes_is_not_asked(rows: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> bool:
        raise AssertionError

    monkeypatch.setattr(Console, "confirm", asked)
    assert cli("import", "app.convex", "rows.csv", "--table", "messages", "--replace", "--yes").code == 0


def test_from_stdin(app: Path, cli: Cli) -> None:
    command = [sys.executable, "-m", "convex_nb", "import", "app.convex", "-", "--table", "t"]
    piped = subprocess.run([*command, "--format", "csv"], input=ROWS.encode(), capture_output=True, check=False)
    assert piped.stdout == b"t: 2 documents imported, 2 in all\n", piped.stderr
    assert cli("import", "app.convex", "-", "--table", "u").code == 2


def test_in_chunks(rows: Path, cli: Cli) -> None:
    words = ("import", "app.convex", "rows.csv", "--table", "messages", "--chunk-rows", "1")
    assert cli(*words).code == 2
    assert cli(*words, "--append", "--first-row", "1", "--json").json == {
        "table": "messages",
        "imported": 1,
        "documents": 4,
    }


def test_what_is_exported_as_jsonl_keeps_its_ids(app: Path, cli: Cli) -> None:
    (app / "old.jsonl").write_text(cli("data", "app.convex", "messages", "--format", "jsonl").out)
    assert cli("import", "new.convex", "old.jsonl", "--table", "messages", "--create").code == 0
    old, new = [cli("data", file, "messages", "--json").json for file in ("app.convex", "new.convex")]
    assert old == new


BAD: list[tuple[str, bytes, str]] = [
    ("late.csv", b"n\n" + b"1\n" * 70_000 + b"oops\n", "line 70002 of late.csv, field `n`"),
    ("broken.jsonl", b'{"n": 1}\n{"n":\n', "line 2 of broken.jsonl"),
    ("big.jsonl", b'{"n": 1}\n{"text": "' + b"x" * (1 << 20) + b'"}\n', "line 2 of big.jsonl, field `text`"),
    ("id.jsonl", b'{"_id": "nonsense"}\n', "line 1 of id.jsonl, field `_id`"),
    ("ragged.csv", b"n,text\n1,a\n2,b,c\n", "line 3 of ragged.csv"),
    ("latin.csv", b"n,text\n1,\xe9\n", "Line 2 of latin.csv is not text in utf-8"),
    ("list.json", b"[" + b'{"text": "' + b"x" * (9 << 20) + b'"}]', "list.json has more than 8 MiB"),
]


@pytest.mark.parametrize(("name", "content", "place"), BAD, ids=[name for name, _, _ in BAD])
def test_bad_input_is_refused_with_its_place_and_changes_nothing(
    app: Path, cli: Cli, name: str, content: bytes, place: str
) -> None:
    schema = define_schema({"bad": define_table({"n": v.optional(v.number()), "text": v.optional(v.string())})})
    with open_deployment(app / "app.convex") as dep:
        dep.push(schema)
    (app / name).write_bytes(content)
    before = sorted(path.name for path in app.iterdir())
    for words in ((), ("--replace",), ("--append",)):
        said = cli("import", "app.convex", name, "--table", "bad", *words)
        assert (said.code, said.out) == (1, "")
        assert place in said.err
        assert "Traceback" not in said.err
    assert counts(cli) == {"messages": 3, "bad": 0}
    after = {path.name for path in app.iterdir()} - {"app.convex-shm", "app.convex-wal"}
    assert sorted(after) == before


def test_an_id_of_another_table_and_one_that_is_there_twice(app: Path, cli: Cli) -> None:
    known = cli("data", "app.convex", "messages", "--json").json[0]["_id"]
    (app / "twice.jsonl").write_text(f'{{"_id": "{known}"}}\n' * 2)
    said = cli("import", "app.convex", "twice.jsonl", "--table", "other")
    assert (said.code, said.out) == (1, "")
    assert "twice.jsonl" in said.err
    (app / "once.jsonl").write_text(f'{{"_id": "{known}"}}\n')
    assert cli("import", "app.convex", "once.jsonl", "--table", "other").code == 1
    assert cli("import", "app.convex", "once.jsonl", "--table", "messages", "--append").code == 1
    assert counts(cli) == {"messages": 3}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rows.csv"], "Into which table? Say --table rows."),
        ([], "Which file is to be imported?"),
        (["a.zip", "--table", "t"], "A ZIP file names its own tables: leave --table out."),
        (["-", "--format", "zip"], "A ZIP file cannot be read from stdin"),
        (["rows.csv", "--table", "t", "--replace-all"], "--replace-all is for a ZIP file"),
        (["rows.csv", "--table", "t", "--append", "--replace"], "not allowed with argument --append"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_what_cannot_be_meant(rows: Path, cli: Cli, words: list[str], message: str) -> None:
    said = cli("import", "app.convex", *words)
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert counts(cli) == {"messages": 3}


def zipped(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


BAD_ZIPS: dict[str, tuple[dict[str, bytes], str]] = {
    "outside": ({"../../evil/documents.jsonl": b'{"a": 1}\n'}, "has a name that leads elsewhere"),
    "bomb": ({"t/documents.jsonl": b" " * (600 << 20)}, "unpacks to 600 MiB"),
    "line": ({"t/documents.jsonl": b'{"a": 1}\n{"a":\n'}, "line 2 of t/documents.jsonl"),
    "field": ({"t/documents.jsonl": b'{"a": 1, "_id": "nonsense"}\n'}, "field `_id`"),
}


@pytest.mark.parametrize("name", BAD_ZIPS)
def test_a_bad_zip_is_refused_and_nothing_is_written_anywhere(app: Path, cli: Cli, name: str) -> None:
    entries, message = BAD_ZIPS[name]
    zipped(app / "bad.zip", entries)
    before = {path.name for path in app.parent.iterdir()} | {path.name for path in app.iterdir()}
    for mode in ((), ("--replace",), ("--replace-all",), ("--append",)):
        said = cli("import", "app.convex", "bad.zip", *mode)
        assert (said.code, said.out) == (1, "")
        assert message in said.err
    assert counts(cli) == {"messages": 3}
    after = {path.name for path in app.parent.iterdir()} | {path.name for path in app.iterdir()}
    assert after - before <= {"app.convex-shm", "app.convex-wal"}


def test_a_zip_that_was_cut_short(app: Path, cli: Cli) -> None:
    assert cli("export", "app.convex", "all.zip").code == 0
    whole = (app / "all.zip").read_bytes()
    (app / "cut.zip").write_bytes(whole[: len(whole) // 2])
    said = cli("import", "app.convex", "cut.zip", "--replace-all")
    assert said.code == 1
    assert "cut.zip is not a whole ZIP file" in said.err
    assert counts(cli) == {"messages": 3}


def test_line_ends_and_a_byte_order_mark_are_no_matter(app: Path, cli: Cli) -> None:
    (app / "mixed.csv").write_bytes(b"\xef\xbb\xbfn,text\r\n1,a\n2,b\r3,c\n")
    assert cli("import", "app.convex", "mixed.csv", "--table", "mixed", "--json").json["imported"] == 3
    assert {"n", "text"} <= cli("data", "app.convex", "mixed", "--json").json[0].keys()


def test_values_of_every_type_go_through_arrow(app: Path, cli: Cli) -> None:
    import pyarrow as pa
    from pyarrow import feather

    with open_deployment(app / "app.convex") as dep:
        dep.push(define_schema({"t": define_table({"n": v.int64(), "data": v.bytes()})}))
    feather.write_feather(pa.table({"n": [2**60], "data": [b"\x00"]}), str(app / "t.arrow"), compression="uncompressed")
    assert cli("import", "app.convex", "t.arrow", "--table", "t").code == 0
    (document,) = cli("data", "app.convex", "t", "--json").json
    value = from_json(document)
    assert isinstance(value, dict)
    assert (value["n"], type(value["n"]), value["data"]) == (2**60, Int64, b"\x00")
    assert json.dumps(document)
