"""Files: stored, looked at and deleted."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

from convex_nb.deployment.deployment import Deployment
from convex_nb.views.dashboard.paper import Paper
from tests.views.dashboard.conftest import Reader

Open = Callable[[str], Reader]
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(16)


def sent(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(content).decode()}"


def test_files_are_stored_shown_and_deleted(deployment: Deployment, opened: Open) -> None:
    page = opened("files")
    assert page["files"]["lines"] == []
    page.do("store", file=sent(b"<b>hello</b>", "text/plain"))
    id = page["files"]["lines"][0]["key"]
    assert page.said == f"Stored: {id}."
    assert page["text"]["text"] == "<b>hello</b>"
    assert deployment.files[id].content_type == "text/plain"
    assert "&lt;b&gt;hello" in Paper([], [], blocks=page.page.value).html()
    page.do("store", file=sent(PIXEL, "image/png"))
    assert page["picture"]["source"] == sent(PIXEL, "image/png")
    deployment.files.store(b"\x00", content_type="application/x-thing")
    assert [cells[1:3] for cells in page.cells("files")] == [
        ["application/x-thing", "1 bytes"],
        ["image/png", "24 bytes"],
        ["text/plain", "12 bytes"],
    ]
    page.do("show", page["files"]["lines"][0]["key"])
    assert "application/x-thing" in page["kind"]["text"]
    page.do("store", file="")
    assert page.said.startswith("Nothing was stored: larger files")
    page.do("delete", id)
    page.do("confirm")
    assert id not in deployment.files
    assert len(page["files"]["lines"]) == 2
