"""Static tables."""

from __future__ import annotations

from convex_nb.views.sheet import Heading, Sheet

HOSTILE = [
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "</style><img src=x onerror=alert(1)>",
    '" onmouseover="x',
    "&amp;",
]


def test_text_is_aligned() -> None:
    sheet = Sheet(
        [Heading("name"), Heading("n", "right")], [["Ada", "1"], ["日本", "100"]], title="t:q", caption="2 rows"
    )
    assert sheet.text().splitlines() == [
        "t:q",
        "name    n",
        "────  ───",
        "Ada     1",
        "日本  100",
        "2 rows",
    ]
    assert repr(sheet) == sheet.text()


def test_every_text_is_escaped_in_html() -> None:
    for text in HOSTILE:
        html = Sheet([Heading(text)], [[text]], title=text, caption=text, mark=text).html()
        for danger in ("<script", "<img", '" onmouseover'):
            assert danger not in html
        # Its own: what JupyterLab says of a widget without a kernel is not to be seen below the table.
        assert html.count("</style") == 1
        assert "href" not in html


def test_an_empty_sheet_has_no_table() -> None:
    sheet = Sheet([], [], title="t:q", caption="No rows yet.")
    assert "<table" not in sheet.html()
    assert sheet.text() == "t:q\nNo rows yet."


def test_long_cells_are_cut() -> None:
    sheet = Sheet([Heading("a")], [["x" * 1000]])
    assert len(sheet.text().splitlines()[-1]) == 40
    assert "x" * 200 not in sheet.html()
