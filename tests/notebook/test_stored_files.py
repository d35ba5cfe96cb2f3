"""`%convex files`."""

from __future__ import annotations

from pathlib import Path

import pytest

from convex_nb import current
from tests.notebook.conftest import Notebook


def test_files_are_listed_shown_stored_and_deleted(notebook: Notebook, tmp_path: Path) -> None:
    assert "No files yet" in notebook.ok("%convex files").text
    path = tmp_path / "two words.txt"
    path.write_text("<b>hello</b>")
    assert "stored:" in notebook.ok(f'%convex files store "{path}"').text
    (id,) = current().files
    ((shown, kind, size, *_),) = notebook.ok("%convex files").value.rows
    assert (shown, kind, size) == (id, "text/plain", "12 bytes")
    assert notebook.ok(f"%convex files {id}").value == current().files[id]
    assert "deleted:" in notebook.ok(f"%convex files delete {id}").text
    assert len(current().files) == 0


def test_the_newest_files_come_first(notebook: Notebook) -> None:
    ids = [current().files.store(str(number).encode()) for number in range(22)]
    sheet = notebook.ok("%convex files").value
    assert [row[0] for row in sheet.rows] == ids[:-21:-1]
    assert sheet.caption == "20 of 22 files; all: dep.files.df()"


@pytest.mark.parametrize("line", ["no-such-id", "store", "delete", "abc def"])
def test_what_is_not_understood_says_what_is(notebook: Notebook, line: str) -> None:
    with pytest.raises(Exception, match="store PATH"):
        notebook.shell.run_line_magic("convex", f"files {line}")
