"""Columns of recent documents, kept from one reading to the next."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st

from convex_nb.engine.segments.recent_columns import RecentColumns
from convex_nb.language.documents import Document, freeze
from convex_nb.language.ids import encode_id


def document(number: int, **fields: Any) -> Document:
    made = freeze({"_id": encode_id(10001, number.to_bytes(16)), "_creationTime": float(number), **fields})
    assert isinstance(made, Document)
    return made


def check(columns: RecentColumns, documents: list[Document]) -> None:
    """Every document is in one row, and that row holds it."""
    where: dict[int, Document] = {}
    for located in columns.located(documents, "items"):
        for row, number in zip(located.rows.tolist(), located.numbers.tolist(), strict=True):
            assert number not in where
            where[number] = located.segment.document(row)
    assert where == dict(enumerate(documents))


STEPS = st.lists(st.tuples(st.sampled_from(["add", "replace", "remove", "rewrite", "part"]), st.integers(0, 1000)))


@given(STEPS)
def test_any_documents_after_any_others(steps: list[tuple[str, int]]) -> None:
    columns = RecentColumns()
    documents: list[Document] = []
    for number, (step, place) in enumerate(steps):
        if step == "add" or not documents:
            documents = [*documents, *(document(100 * number + each, n=each) for each in range(place % 5))]
        elif step == "replace":
            place %= len(documents)
            documents = [
                *documents[:place],
                document(int(documents[place]["_creationTime"]), n=-number),
                *documents[place + 1 :],
            ]
        elif step == "rewrite":
            # Equal in Python's eyes, and another document.
            place %= len(documents)
            old = documents[place]
            new = document(int(old["_creationTime"]), n=float(old["n"]))
            documents = [*documents[:place], new, *documents[place + 1 :]]
        elif step == "remove":
            documents = [each for each in documents if each is not documents[place % len(documents)]]
        else:
            check(columns, documents[: place % len(documents)])
        check(columns, documents)
        for located in columns.located(documents, "items"):
            for row, at in zip(located.rows.tolist(), located.numbers.tolist(), strict=True):
                assert type(located.segment.document(row)["n"]) is type(documents[at]["n"])


def test_what_has_only_grown_is_converted_once() -> None:
    columns = RecentColumns()
    documents = [document(number, n=number) for number in range(100)]
    first = columns.located(documents, "items")
    again = columns.located([*documents, document(100, n=1)], "items")
    assert again[0].segment is first[0].segment
    assert len(again) == 2
