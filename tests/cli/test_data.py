from __future__ import annotations

import csv
import json
from io import StringIO
from pathlib import Path

import pytest

import convex_nb
from convex_nb import Int64, define_schema, define_table, v
from tests.cli.conftest import Cli

ODD = {
    "n": Int64(2**53),
    "bytes": b"\x00\x01",
    "nan": float("nan"),
    "none": None,
    "list": [1, {"a": "x,\n"}],
    "yes": True,
}


@pytest.fixture
def odd(folder: Path) -> Path:
    with convex_nb.open(folder / "odd.convex") as dep:
        dep.push(define_schema({"other": define_table({"a": v.string()}).index("by_a", ["a"])}))
        dep.transact(lambda db: db.insert("odd", ODD))
        dep.transact(lambda db: db.insert("odd", {"n": 1, "escape": "\x1b[31mred"}))
    return folder / "odd.convex"


def test_tables(odd: Path, cli: Cli) -> None:
    assert cli("data", odd, "--json").json == [
        {
            "name": "odd",
            "documents": 2,
            "indexes": {"by_id": ["_id"], "by_creation_time": ["_creationTime"]},
            "searches": {},
        },
        {
            "name": "other",
            "documents": 0,
            "indexes": {"by_id": ["_id"], "by_creation_time": ["_creationTime"], "by_a": ["a"]},
            "searches": {},
        },
    ]
    assert [line.split() for line in cli("data", odd).out.splitlines()[2:]] == [
        ["odd", "2"],
        ["other", "0", "by_a", "(a)"],
    ]


@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_documents_keep_every_type(odd: Path, cli: Cli, format: str) -> None:
    out = cli("data", odd, "odd", "--format", format, "--order", "asc").out
    documents = convex_nb.loads(out) if format == "json" else [convex_nb.loads(line) for line in out.splitlines()]
    assert isinstance(documents, list)
    first = documents[0]
    assert isinstance(first, dict)
    assert convex_nb.same_value({key: first[key] for key in ODD}, ODD)
    assert len(documents) == 2


def test_a_spreadsheet(odd: Path, cli: Cli) -> None:
    newest, oldest = csv.DictReader(StringIO(cli("data", odd, "odd", "--format", "csv").out))
    assert oldest["n"] == str(2**53)
    assert (oldest["bytes"], oldest["nan"], oldest["none"], oldest["yes"]) == ("AAE=", "NaN", "", "true")
    assert json.loads(oldest["list"]) == [1, {"a": "x,\n"}]
    assert (newest["n"], newest["list"]) == ("1", "")


def test_a_table_for_people_obeys_no_control_character(odd: Path, cli: Cli) -> None:
    out = cli("data", odd, "odd").out
    assert "\x1b" not in out
    assert "\\u001b[31mred" in out
    assert len(out.splitlines()) == 4


def test_the_order_and_the_limit(app: Path, cli: Cli) -> None:
    assert [each["body"] for each in cli("data", "app.convex", "messages", "--json").json] == ["three", "two", "one"]
    assert cli("data", "--order", "asc", "app.convex", "--json", "messages").json[0]["body"] == "one"
    said = cli("data", "app.convex", "messages", "--limit", "2")
    assert len(said.out.splitlines()) == 4
    assert said.err == "2 of 3 documents; --limit shows more.\n"
    assert cli("data", "app.convex", "messages", "--limit", "3").err == ""


def test_a_system_table_can_be_read(app: Path, cli: Cli) -> None:
    assert cli("data", "app.convex", "_storage", "--json").json == []
    assert cli("data", "app.convex", "_storage").err == "The table is empty.\n"


def test_a_table_that_there_is_not(app: Path, cli: Cli) -> None:
    said = cli("data", "app.convex", "mesages")
    assert (said.code, said.out) == (1, "")
    assert said.err == "error: There is no table 'mesages'. Did you mean messages? There are: messages.\n"
    assert cli("data", "app.convex", "_nothing").code == 1


def test_reading_changes_nothing(app: Path, cli: Cli) -> None:
    before = (app / "app.convex").read_bytes()
    assert cli("data", "app.convex", "messages").code == 0
    assert (app / "app.convex").read_bytes() == before


def test_another_name_than_convex(app: Path, cli: Cli) -> None:
    (app / "app.convex").rename(app / "app.db")
    assert len(cli("data", "messages", "--file", "app.db", "--json").json) == 3


def test_a_table_of_which_nothing_is_wanted_is_not_empty(odd: Path, cli: Cli) -> None:
    assert cli("data", odd, "odd", "--limit", "0").err == "0 of 2 documents; --limit shows more.\n"
    assert cli("data", odd, "other").err == "The table is empty.\n"
