"""What docs/how-to/share-a-deployment.md shows happens; and the front doors take an address for a place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb.cli.main import main
from convex_nb.functions.host import set_host
from tests.until import until

ADDRESS = "postgresql://ada@db.example.org/app"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_page(uri: str, root: Path) -> None:
    page = (root / "docs" / "how-to" / "share-a-deployment.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 5
    names: dict[str, Any] = {"__name__": "__main__"}
    try:
        for block in blocks[:3]:
            text = block.replace(f'dep.place == "{ADDRESS}"', "dep.place").replace(ADDRESS, uri)
            exec(compile(text, "page", "exec"), names)
        expected = [["hello"], ["hello", "is anybody there?"]]
        assert f"`heard` is `{str(expected).replace(chr(39), chr(34))}`" in page
        until(lambda: names["heard"] == expected)
        for block in blocks[3:]:
            exec(compile(block.replace(ADDRESS, uri), "page", "exec"), names)
        assert names["other"].place != names["dep"].place
    finally:
        for name in ("dep", "other"):
            if name in names:
                names[name].close()
        set_host(None)


def test_the_command_line_takes_an_address(uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    secret = uri.replace("owner@", "owner:s3cret@")
    assert main(["data", secret]) != 0
    assert main(["env", secret, "set", "COLOUR", "blue"]) == 0
    with convex_nb.open(uri) as dep:
        assert dep.env["COLOUR"] == "blue"
        dep.transact(lambda db: db.insert("messages", {"body": "hello"}))
        assert main(["data", secret, "messages"]) == 0
        assert main(["backup", "--verify", secret]) != 0
        assert main(["backup", secret, "copy.convex"]) == 0
    assert main(["data", "postgresql://owner:s3@cret@x/y"]) != 0
    out, err = capfd.readouterr()
    assert "hello" in out
    assert "There is no deployment in postgresql://owner@/" in err
    assert "cret" not in out + err
    with convex_nb.open("copy.convex") as copy:
        assert copy.table("messages").count() == 1
