"""The invariants of a table, verified on demand."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from convex_nb.engine.search.upkeep import check_searches
from convex_nb.engine.table_index import BY_ID
from convex_nb.language.keys import MAX_KEY, MIN_KEY
from convex_nb.language.ordering import same_value

if TYPE_CHECKING:
    from convex_nb.engine.table import TableState


def check_table(state: TableState) -> None:
    """Verify a table: every index holds the same documents, each once, under the key that its content has.

    Raises ``AssertionError`` with the state of what is wrong. Costs O(documents x indexes x log documents).
    """
    documents = {document["_id"]: document for document in state.scan(1, MIN_KEY, MAX_KEY, reverse=False)}
    assert len(documents) == len(state), f"{state!r} counts {len(state)} but by_creation_time yields {len(documents)}"
    for position, index in enumerate(state.indexes):
        state.live[position].check()
        for part in state.parts:
            part.dead[position].check()
            run = part.run(position)
            run.check()
            content = [index.key_of(document) for document in part.segment.documents(run.rows(0, run.num_rows))]
            assert run.keys(0, run.num_rows) == content, (
                f"{state!r}: {index.name} has {run.keys(0, run.num_rows)} for rows whose content gives {content}"
            )
            for key, row in part.dead[position].range(MIN_KEY, MAX_KEY):
                start, stop = run.bounds(key, key + b"\x00")
                rows = [run.row(place) for place in range(start, stop)]
                assert rows == [row], f"{state!r}: dead key {key!r} of {index.name} is of rows {rows}, not {row}"
        found = list(state.scan(position, MIN_KEY, MAX_KEY, reverse=False))
        keys = [index.key_of(document) for document in found]
        ordered = all(a < b for a, b in pairwise(keys))
        assert ordered, f"{state!r}: {index.name} is not in order: {keys}"
        assert {document["_id"] for document in found} == documents.keys(), (
            f"{state!r}: {index.name} holds {[d['_id'] for d in found]}, by_creation_time {list(documents)}"
        )
        for document in found:
            assert same_value(document, documents[document["_id"]]), (
                f"{state!r}: {index.name} yields {document!r}, by_creation_time {documents[document['_id']]!r}"
            )
        assert state.count(position) == len(documents), f"{state!r}: {index.name} counts {state.count(position)}"
        for key, document in state.live[position].range(MIN_KEY, MAX_KEY):
            assert key == index.key_of(document), f"{state!r}: {index.name} has {document!r} under {key!r}"
    assert state.indexes[0].name == BY_ID
    for id, document in documents.items():
        assert same_value(state.get(id), document), f"{state!r}: get({id!r}) gives {state.get(id)!r}, not {document!r}"
    for part in state.parts:
        part.segment.check()
    check_searches(state)
