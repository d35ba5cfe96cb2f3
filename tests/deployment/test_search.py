"""Searches as functions make them: text in queries and mutations, live; vectors in actions."""

from __future__ import annotations

from typing import Any

import pytest

import convex_nb
from convex_nb import define_schema, define_table, v
from convex_nb.functions.contexts import ActionCtx, MutationCtx, QueryCtx

SCHEMA = define_schema(
    {
        "notes": define_table({"body": v.string(), "vector": v.optional(v.array(v.float64()))})
        .search_index("search_body", search_field="body")
        .vector_index("by_vector", vector_field="vector", dimensions=2)
    }
)


def test_a_live_search_runs_again_for_what_it_finds_and_for_nothing_else() -> None:
    runs = []

    def found(ctx: QueryCtx, text: str) -> list[str]:
        runs.append(text)
        notes = ctx.db.query("notes").with_search_index("search_body", lambda q: q.search("body", text)).take(10)
        return [note["body"] for note in notes]

    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        results: list[Any] = []
        dep.subscribe(convex_nb.query(found), {"text": "foo"}, results.append)
        for body in ("a bar", "some food", "fo", "foo!"):
            dep.transact(lambda db, body=body: db.insert("notes", {"body": body}))  # type: ignore[misc]
        assert results == [[], ["some food"], ["foo!", "some food"]]
        assert len(runs) == 3
        live = dep.watch(convex_nb.query(found), {"text": "foo"}, lambda: None)
        assert live.reads == ["notes by search_body: terms of body, 1 range"]


def test_a_mutation_finds_what_it_wrote() -> None:
    def add(ctx: MutationCtx) -> int:
        ctx.db.insert("notes", {"body": "new"})
        return len(ctx.db.query("notes").with_search_index("search_body", lambda q: q.search("body", "ne")).collect())

    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        assert dep.mutation(convex_nb.mutation(add)) == 1


def test_vector_search_in_actions_plain_and_async() -> None:
    def plain(ctx: ActionCtx) -> Any:
        return ctx.vector_search("notes", "by_vector", vector=[1.0, 0.0], limit=2)

    async def waiting(ctx: ActionCtx) -> Any:
        return await ctx.vector_search("notes", "by_vector", vector=[1.0, 0.0], limit=2)

    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        expected = []
        for vector, score in (([2.0, 0.0], 1.0), ([0.0, 1.0], 0.0), ([1.0, 2.0, 3.0], None)):
            id = dep.transact(lambda db, vector=vector: db.insert("notes", {"body": "", "vector": vector}))  # type: ignore[misc]
            if score is not None:
                expected.append({"_id": id, "_score": score})
            # What a mutation committed is found at once.
            assert dep.action(convex_nb.action(plain)) == expected
        assert dep.action(convex_nb.action(waiting)) == expected


def test_vector_search_is_for_actions() -> None:
    def search(ctx: Any) -> Any:
        return ctx.vector_search("notes", "by_vector", vector=[1.0, 0.0])

    with convex_nb.open() as dep:
        dep.push(SCHEMA)
        for call, kind in ((dep.query, convex_nb.query), (dep.mutation, convex_nb.mutation)):
            with pytest.raises(AttributeError, match=r"no 'vector_search'\. Only actions have it"):
                call(kind(search))


def test_text_is_searched_in_columns_of_a_file(tmp_path: Any) -> None:
    """What searches look into is not stored: it is made again of what is."""
    path = tmp_path / "notes.convex"
    with convex_nb.open(path) as dep:
        dep.push(SCHEMA)
        dep.import_table("notes", [{"body": f"note {number}", "vector": [1.0, number]} for number in range(50)])
        dep.transact(lambda db: db.insert("notes", {"body": "note 7 again"}))
    with convex_nb.open(path) as dep:

        def bodies(text: str) -> list[str]:
            return dep.transact(
                lambda db: [
                    note["body"]
                    for note in db.query("notes")
                    .with_search_index("search_body", lambda q: q.search("body", text))
                    .take(2)
                ]
            )

        assert bodies("note 7") == ["note 7", "note 7 again"]
        found = dep.action(
            convex_nb.action(lambda ctx: ctx.vector_search("notes", "by_vector", vector=[1.0, 0.0], limit=1))
        )
        assert found[0]["_score"] == 1.0
        dep.check()


def test_vector_search_that_is_followed() -> None:
    runs: list[int] = []

    @convex_nb.query("notes:near")
    def near(ctx: Any, vector: list[float]) -> Any:
        runs.append(1)
        return [
            ctx.db.get(each["_id"])["text"]
            for each in ctx.db.vector_search("notes", "by_vector", vector=vector, limit=1)
        ]

    with convex_nb.open() as dep:
        table = define_table({"text": v.string(), "vector": v.array(v.float64())})
        dep.push(define_schema({"notes": table.vector_index("by_vector", "vector", 2)}))
        seen: list[Any] = []
        dep.subscribe(near, {"vector": [1.0, 0.0]}, seen.append)
        for text, vector in [("up", [0.0, 1.0]), ("right", [1.0, 0.1]), ("left", [-1.0, 0.0]), ("more", [1.0, 0.0])]:
            dep.transact(lambda db, text=text, vector=vector: db.insert("notes", {"text": text, "vector": vector}))  # type: ignore[misc]
        assert seen == [[], ["up"], ["right"], ["more"]]
        # What is farther away than the nearest does not run it.
        assert len(runs) == 4
