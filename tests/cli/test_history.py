from __future__ import annotations

import json
from pathlib import Path

import convex_nb
from tests.cli.conftest import Cli


def test_what_was_changed(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "app.convex"
    with convex_nb.open(path) as dep:
        pass
    assert "Nothing has been changed yet." in cli("history", path).err
    with convex_nb.open(path) as dep:
        dep.env["KEY"] = "s3cr3t"
        dep.import_table("rows", [{"n": 1}])
        # Beside the process that writes.
        said = cli("history", path)
        events = [json.loads(line) for line in cli("history", path, "--json", "--limit", "1").out.splitlines()]
    assert said.code == 0
    assert "s3cr3t" not in said.out
    newest, oldest = said.out.splitlines()[-2:]
    assert "import" in newest
    assert "environment variable" in oldest
    assert [[each["what"], each["name"], each["detail"]] for each in events[0]] == [["import", "rows", "1 documents"]]
    assert cli("history", path, "--limit", "x").code == 2
