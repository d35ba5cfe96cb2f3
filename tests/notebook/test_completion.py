"""What Tab offers."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter

from tests.notebook.conftest import Notebook


def offered(notebook: Notebook, text: str) -> list[str]:
    """Our completions at the bar in `text`: what the text would be up to there."""
    before, _, after = text.partition("|")
    with provisionalcompleter():
        return [
            before[: completion.start] + completion.text
            for completion in notebook.shell.Completer.completions(before + after, len(before))
            if completion.type == "convex"
        ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("%%convex_query --no|\nx", ["%%convex_query --no-live"]),
        ("%%convex_query --no-live --|\nx", ["--args", "--as", "--internal", "--quiet"]),
        ("%%convex_query m|\nx", ["%%convex_query messages"]),
        ("%%convex_schema --|\nx", ["--check", "--quiet"]),
        ("%convex ta|", ["%convex tables"]),
        ("%convex explain mess|", ["%convex explain messages:recent", "%convex explain messages:send"]),
        ("%convex explain messages:re|", ["%convex explain messages:recent"]),
        ("%convex display |", ["%convex display static", "%convex display live"]),
        ("%convex dashboard da|", ["%convex dashboard data"]),
        ('%%convex_query\ndb.query("me|', ['db.query("messages']),
        ('%%convex_query\ndb.query("messages").with_index("by_a|', ['by_author']),
        ('%%convex_query\ndb.query("messages").with_index("by_author", au|', ['author=']),
        ('%%convex_query\ndb.query("messages").filter(lambda q: q.field("bo|', ['q.field("body']),
        ('live("messages:r|', ['live("messages:recent']),
        ('ctx.db.insert("|', ['ctx.db.insert("messages']),
    ],
)  # fmt: skip
def test_what_is_offered(chat: Notebook, text: str, words: list[str]) -> None:
    found = offered(chat, text)
    assert len(found) == len(words)
    assert all(any(line.endswith(word) for line in found) for word in words), found


@pytest.mark.parametrize(
    "text", ["x = 1\nprint(|", '"%%convex_query --|"', "%%time --|\nx", '%%convex_query\nother("|']
)
def test_elsewhere_nothing_is(chat: Notebook, text: str) -> None:
    assert offered(chat, text) == []


def test_what_can_be_searched(chat: Notebook) -> None:
    chat.ok("%%convex_schema\nthings = define_table({'text': v.string()}).search_index('words', 'text')")
    for text, word in [
        ('db.query("things").with_search_index("|', "words"),
        ('db.query("things").with_search_index("words", lambda q: q.search("te|', "text"),
        ('ctx.vector_search("th|', "things"),
    ]:
        (line,) = offered(chat, f"%%convex_query\n{text}")
        assert line.endswith(word)


def test_python_in_the_body_is_still_completed(chat: Notebook) -> None:
    chat.ok("some_long_name = 1")
    with provisionalcompleter():
        text = "%%convex_query\nsome_lo"
        assert "some_long_name" in [each.text for each in chat.shell.Completer.completions(text, len(text))]
