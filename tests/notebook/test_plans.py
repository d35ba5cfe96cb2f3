"""`%convex explain`."""

from __future__ import annotations

from tests.notebook.conftest import Notebook


def test_explain(chat: Notebook) -> None:
    chat.ok('live(recent, author="Ada")')
    chat.ok('send(author="Ada", body="x")')
    lines = chat.ok("%convex explain messages:recent").value.text().splitlines()
    assert lines[0].startswith("messages:recent (author")
    assert lines[1].startswith("without arguments took ")
    assert ", 2 runs, as of " in lines[1]
    assert lines[2] == "take(50) messages by by_creation_time (_creationTime), desc range: all of it"
    assert lines[3] == "· rows scanned: 1 of 1"
    assert lines[4] == "· path: index: one document after another, until there are enough"
    assert lines[5].startswith('author="Ada" took')
    assert lines[6] == "take(50) messages by by_author (author), desc range: \"author\" == 'Ada'"


def test_explain_with_arguments(chat: Notebook) -> None:
    chat.ok('send(author="Ada", body="x")\nwho = "Ada Lovelace"')
    for line in ("author=who", "--args author=who", 'author="Ada  Lovelace"'):
        text = chat.ok(f"%convex explain messages:recent {line}").value.text()
        assert "0 of 0" in text
        assert "empty: there is nothing in the range" in text
    assert 'author="Ada  Lovelace"' in text
    assert "not a value here: NameError" in chat.run("%convex explain messages:recent author=whom").text
    assert "name=expression" in chat.run("%convex explain messages:recent Ada").text
    assert "nobody" in chat.run("%convex explain messages:recent nobody=1").text


def test_explain_every_read_of_a_function(chat: Notebook) -> None:
    chat.ok('send(author="Ada", body="x")')
    chat.ok(
        "%%convex_query --no-live\n"
        "def many(ctx):\n"
        "    messages = ctx.db.query('messages')\n"
        "    found = messages.filter(lambda q: q.field('body') == 'x').first()\n"
        "    ctx.db.get(found['_id'])\n"
        "    return [messages.count(), len(messages.df()), [each['body'] for each in messages]]"
    )
    lines = chat.ok("%convex explain many").value.text().splitlines()
    assert [line.split()[0] for line in lines[2:] if not line.startswith("·")] == [
        "first()",
        "count()",
        "df()",
        "for",
        "get",
    ]
    assert [line.split()[2] for line in lines if line.startswith("· path")] == [
        "index:",
        "count:",
        "columns:",
        "index:",
    ]
    assert "· filter: q.eq(q.field('body'), 'x'): Python" in lines
    assert lines[-1] == "get 1 document by id"


def test_explain_what_raises(chat: Notebook) -> None:
    chat.ok("%%convex_query --no-live\ndef bad(ctx):\n    ctx.db.query('messages').collect()\n    return 1 / 0")
    text = chat.ok("%convex explain bad").value.text()
    assert "collect()" in text
    assert "error: " in text


def test_explain_what_no_view_shows(chat: Notebook) -> None:
    chat.ok("%%convex_query --no-live\ndef by_id(ctx, id: str):\n    return ctx.db.get(id)")
    text = chat.run("%convex explain by_id").text
    assert "needs id, and no view shows it" in text
    assert "`%convex explain by_id id=...`" in text
    chat.ok("%%convex_query --no-live\ndef nothing(ctx):\n    return 1")
    assert "reads nothing" in chat.ok("%convex explain nothing").value.text()
    assert chat.deployment.statistics().reactor.watched == 1
