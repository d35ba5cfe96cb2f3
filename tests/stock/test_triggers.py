from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import ConvexError, InvalidValueError, LimitError, SchemaDefinitionError, mutation, v
from convex_nb.stock import Change, Triggers
from convex_nb.stock.triggers import MAX_DEPTH
from convex_nb.testing import ConvexTest


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    with ConvexTest() as test:
        yield test


def documents(test: ConvexTest, table: str) -> list[Any]:
    found = test.run(lambda ctx: ctx.db.query(table).collect())
    return [{key: value for key, value in each.items() if not key.startswith("_")} for each in found]


def test_each_write_fires_with_the_document_before_and_after(test: ConvexTest) -> None:
    triggers, seen = Triggers(), []

    @triggers.on("notes", "tags")
    def note(ctx: Any, change: Change) -> None:
        assert change.new == ctx.db.get(change.id)
        old, new = (each and {k: x for k, x in each.items() if k[0] != "_"} for each in (change.old, change.new))
        seen.append((change.table, change.kind, old, new))

    @triggers.mutation
    def write(ctx: Any) -> None:
        ctx.db.insert("others", {"n": 0})
        id = ctx.db.insert("notes", {"a": 1})
        ctx.db.patch(id, {"b": 2})
        ctx.db.replace("notes", id, {"c": 3})
        ctx.db.delete("notes", id)
        ctx.db.insert_many("tags", [{"t": 1}, {"t": 2}])
        assert ctx.db.query("tags").count() == 2

    test.mutation(write)
    assert seen == [
        ("notes", "insert", None, {"a": 1}),
        ("notes", "patch", {"a": 1}, {"a": 1, "b": 2}),
        ("notes", "replace", {"a": 1, "b": 2}, {"c": 3}),
        ("notes", "delete", {"c": 3}, None),
        ("tags", "insert", None, {"t": 1}),
        ("tags", "insert", None, {"t": 2}),
    ]


def test_its_writes_are_a_part_of_the_mutation(test: ConvexTest) -> None:
    triggers = Triggers()

    @triggers.on("notes")
    def audit(ctx: Any, change: Change) -> None:
        ctx.db.insert("audit", {"kind": change.kind})

    @triggers.mutation
    def add(ctx: Any, fails: bool) -> None:
        ctx.db.insert("notes", {})
        if fails:
            raise ConvexError("no")

    test.mutation(add, fails=False)
    with pytest.raises(ConvexError):
        test.mutation(add, fails=True)
    assert documents(test, "audit") == [{"kind": "insert"}]


def test_a_plain_mutation_fires_nothing_even_when_one_that_fires_calls_it(test: ConvexTest) -> None:
    triggers, seen = Triggers(), []
    triggers.on("notes")(lambda ctx, change: seen.append(change.kind))

    @mutation
    def plain(ctx: Any) -> None:
        ctx.db.insert("notes", {})

    @triggers.mutation
    def firing(ctx: Any) -> None:
        ctx.run_mutation(plain)

    test.mutation(firing)
    assert (len(documents(test, "notes")), seen) == (1, [])


def test_a_trigger_that_raises_undoes_the_mutation_even_one_that_catches_it(test: ConvexTest) -> None:
    triggers = Triggers()

    @triggers.on("notes")
    def refuse(ctx: Any, change: Change) -> None:
        ctx.db.insert("audit", {})
        raise ConvexError("not yours")

    @triggers.mutation
    def stubborn(ctx: Any) -> None:
        try:
            ctx.db.insert("notes", {})
        except ConvexError:
            ctx.db.insert("others", {})

    with pytest.raises(ConvexError, match="not yours"):
        test.mutation(stubborn)
    assert [documents(test, table) for table in ("notes", "audit", "others")] == [[], [], []]


def test_writes_of_triggers_fire_after_all_triggers_of_the_change(test: ConvexTest) -> None:
    triggers, seen = Triggers(), []

    @triggers.on("notes")
    def trim(ctx: Any, change: Change) -> None:
        if change.new is not None and change.new["text"] != change.new["text"].strip():
            ctx.db.patch(change.id, {"text": change.new["text"].strip()})

    @triggers.on("notes")
    def record(ctx: Any, change: Change) -> None:
        seen.append(change.new and change.new["text"])

    @triggers.mutation
    def add(ctx: Any, text: str) -> Any:
        return ctx.db.get(ctx.db.insert("notes", {"text": text}))["text"]

    assert test.mutation(add, text=" a ") == "a"
    assert seen == [" a ", "a"]


def test_triggers_that_never_come_to_an_end_are_stopped(test: ConvexTest) -> None:
    triggers = Triggers()

    @triggers.on("notes")
    def again(ctx: Any, change: Change) -> None:
        ctx.db.patch(change.id, {"n": change.new["n"] + 1 if change.new else 0})

    @triggers.mutation
    def add(ctx: Any) -> None:
        ctx.db.insert("notes", {"n": 0})

    with pytest.raises(LimitError, match=f'{MAX_DEPTH} times in a row, last by a patch in "notes"') as caught:
        test.mutation(add)
    assert (caught.value.kind, caught.value.limit) == ("trigger depth", MAX_DEPTH)
    assert documents(test, "notes") == []


def test_a_cell_that_is_run_again_does_not_add_its_trigger_twice() -> None:
    triggers = Triggers()
    scope: dict[str, Any] = {"triggers": triggers, "__name__": "__main__"}
    for _ in range(2):
        exec("@triggers.on('notes')\ndef audit(ctx, change): pass", scope)
    (only,) = triggers._by_table["notes"].values()
    assert only is scope["audit"]


def test_the_decorator_takes_what_a_mutation_takes(test: ConvexTest) -> None:
    triggers = Triggers()

    @triggers.internal_mutation("notes:add", args={"text": v.string()}, returns=v.id("notes"))
    def add(ctx: Any, text: str) -> Any:
        "Add one."
        return ctx.db.insert("notes", {"text": text})

    assert (add.path, add.visibility, add.kind, add.__doc__) == ("notes:add", "internal", "mutation", "Add one.")
    assert test.mutation(add, text="a")


def test_a_mutation_that_fires_is_a_plain_function_too() -> None:
    async def wait(ctx: Any) -> None: ...

    for handler in (mutation(lambda ctx: None), wait, Triggers):
        with pytest.raises(SchemaDefinitionError, match="made of a plain `def`"):
            Triggers().mutation(handler)


@pytest.mark.parametrize("tables", [(), (print,), ("a", 1)])
def test_a_trigger_is_on_a_table(tables: Any) -> None:
    with pytest.raises(InvalidValueError, match="A trigger is on a table"):
        Triggers().on(*tables)


def test_a_trigger_is_a_plain_function() -> None:
    async def wait(ctx: Any, change: Change) -> None: ...

    with pytest.raises(SchemaDefinitionError, match="A trigger is made of a plain `def`"):
        Triggers().on("notes")(wait)
