"""The order of what is found does not depend on how it lies, and only the best are looked at closely."""

from __future__ import annotations

import random
from typing import Any

import pytest

from convex_nb.engine.search import ranking, text_index
from convex_nb.engine.search.proximity import proximity
from convex_nb.engine.search.ranking import Ranking, documents_of
from convex_nb.engine.search.text_search import text_search
from convex_nb.engine.table import TableState
from convex_nb.language.schema import define_schema, define_table
from convex_nb.language.validators import v
from tests.engine.databases import import_all, insert_all, make_database

TABLE = "items"
SCHEMA = define_schema({TABLE: define_table(v.any()).search_index("by_text", "text")})


def ranked(state: TableState, text: str) -> Ranking:
    limits = make_database().limits
    return Ranking(state, text_search(state, "by_text", lambda q: q.search("text", text), limits))


def texts(number: int, words: int) -> list[dict[str, Any]]:
    chance = random.Random(number)
    return [{"text": " ".join(f"w{int(chance.expovariate(0.3))}" for _ in range(words)), "n": n} for n in range(number)]


def test_scores_are_the_same_however_documents_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = texts(300, 7)
    found = []
    for rows, imported in ((7, 0), (64, 100), (1 << 16, 300)):
        monkeypatch.setattr(text_index, "ROWS", rows)
        database = make_database(SCHEMA)
        if imported:
            import_all(database, TABLE, documents[:imported])
        insert_all(database, TABLE, documents[imported:])
        for text in ("w0 w1", "w3 w7 w1", "w", "w2 w2"):
            hits = ranked(database.head.tables[TABLE], text).hits(300)
            found.append(
                (text, [(hit.place.score, each["n"]) for hit, each in zip(hits, documents_of(hits), strict=True)])
            )
    assert found[:4] == found[4:8] == found[8:]


def test_only_what_may_be_among_the_best_is_looked_at_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    database = make_database(SCHEMA)
    import_all(database, TABLE, texts(2000, 12))
    looked: list[int] = []

    def counted(matches: Any, numbers: Any) -> Any:
        looked.append(len(numbers))
        return proximity(matches, numbers)

    monkeypatch.setattr(ranking, "proximity", counted)
    whole = ranked(database.head.tables[TABLE], "w1 w4 w6")
    best = whole.hits(5)
    few = sum(looked)
    assert best == whole.hits(5000)[:5]
    assert few < 500 < len(whole) == sum(looked) - few
    # And so for the pages behind the first.
    assert whole.hits(5, best[-1].place) == whole.hits(10)[5:]
