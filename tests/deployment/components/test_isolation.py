"""What a component sees, and what others see of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convex_nb import (
    ArgumentValidationError,
    ComponentError,
    Deployment,
    FunctionNotFoundError,
    InvalidIdError,
    InvalidValueError,
    MutationCtx,
    QueryCtx,
    action,
    components,
    define_component,
    define_schema,
    define_table,
    internal_query,
    mutation,
    query,
    v,
)
from tests.deployment.components.counting import SCHEMA, opened


@query
def totals(ctx: QueryCtx, name: str) -> Any:
    return [ctx.run_query(each.total, name=name) for each in (components.counter, components.likes)]


@mutation
def like(ctx: MutationCtx, name: str, n: float = 1) -> Any:
    return ctx.run_mutation(components.likes.add, name=name, n=n)


@query("notes:get")
def note(ctx: QueryCtx, id: str) -> Any:
    return ctx.db.get(id)


@query
def read(ctx: QueryCtx, table: str) -> Any:
    return ctx.db.query(table).collect()


def test_instances_keep_separate_counts() -> None:
    with opened() as dep:
        dep.mutation(like, name="a", n=2)
        dep.mutation(like, name="a")
        dep.mutation(components.counter.add, name="a")
        assert dep.query(totals, name="a") == [1, 3]
        assert dep.tables.keys() == {"notes"}
        assert {path: len(each.table("counts")) for path, each in dep.components.items()} == {"counter": 1, "likes": 1}
        assert dep.table("counts", component="likes").df()["n"].tolist() == [3]
        assert dep.at(dep.timestamp).table("counts", component="likes").count() == 1
        dep.check()


def test_ids_are_strings_outside_and_ids_of_nothing() -> None:
    with opened() as dep:
        id = dep.mutation(like, name="a")
        assert type(id) is str
        dep.register(query("typed")(_typed))
        with pytest.raises(ArgumentValidationError, match=r'v\.id\("counts"\)'):
            dep.query("typed", id=id)
        assert dep.transact(lambda db: db.normalize_id("counts", id)) is None
        mine = dep.transact(lambda db: db.insert("notes", {"text": "x"}))
        inside = dep.components["likes"]
        assert inside.query("get", id=id)["name"] == "a"
        assert dep.query(components.likes.get, id=id)["_id"] == id
        with pytest.raises(ArgumentValidationError, match=r'from table `notes`.*v\.id\("likes//counts"\)'):
            inside.query("get", id=mine)
        with pytest.raises(ArgumentValidationError, match="from table `likes//counts`"):
            dep.components["counter"].query("get", id=id)


def _typed(ctx: QueryCtx, id: v.id("counts")) -> Any:  # type: ignore[valid-type]
    return ctx.db.get(id)


def seeing() -> Any:
    """A component that tries to see what is not its own."""
    component = define_component("seeing", define_schema({"own": define_table({"a": v.number()})}))

    @component.mutation
    def touch(ctx: MutationCtx, id: str, how: str) -> Any:
        calls: dict[str, Callable[[], Any]] = {
            "get": lambda: ctx.db.get(id),
            "patch": lambda: ctx.db.patch(id, {"a": 1}),
            "delete": lambda: ctx.db.delete(id),
            "named": lambda: ctx.db.get("notes", id),
            "system": lambda: ctx.db.system.get(id),
            "cancel": lambda: ctx.scheduler.cancel(id),
            "file": lambda: ctx.storage.get_url(id),
        }
        return calls[how]()

    @component.query
    def read(ctx: QueryCtx, table: str) -> Any:
        return ctx.db.query(table).collect()

    @component.query
    def call(ctx: QueryCtx, path: str) -> Any:
        return ctx.run_query(path)

    return component


@pytest.mark.parametrize("how", ["get", "patch", "delete", "named"])
def test_a_component_cannot_touch_the_documents_of_the_application(how: str) -> None:
    with opened(seeing()) as dep:
        id = dep.transact(lambda db: db.insert("notes", {"text": "x"}))
        with pytest.raises(InvalidIdError, match=r'Id<"notes">, a document that the component "seeing" cannot see'):
            dep.mutation(components.seeing.touch, id=id, how=how)
        assert dep.query(components.seeing.read, table="notes") == []
        assert dep.table("notes").count() == 1


@pytest.mark.parametrize(("how", "shown"), [("system", "_scheduled"), ("cancel", "cancel"), ("file", "storageId")])
def test_nor_its_jobs_and_files(how: str, shown: str) -> None:
    with opened(seeing()) as dep:
        dep.register(action("noted")(lambda ctx: None))
        id = dep.mutation(mutation("plan")(lambda ctx: ctx.scheduler.run_after(1000, "noted")))
        if how == "file":
            id = dep.files.store(b"x")
        with pytest.raises(InvalidIdError, match=shown):
            dep.mutation(components.seeing.touch, id=id, how=how)


def test_a_component_calls_none_of_the_functions_of_the_application() -> None:
    with opened(seeing()) as dep:
        dep.register(query("hello")(lambda ctx: 1))
        for path in ("hello", "//hello", "other//x"):
            with pytest.raises(FunctionNotFoundError):
                dep.query(components.seeing.call, path=path)


@pytest.mark.parametrize(
    ("do", "error", "text"),
    [
        (lambda dep, id: dep.query(read, table="likes//counts"), InvalidValueError, "a table of the component 'likes'"),
        (lambda dep, id: dep.query(note, id=id), InvalidIdError, 'only the component "likes" itself can read'),
        (lambda dep, id: dep.transact(lambda db: db.delete(id)), InvalidIdError, 'only the component "likes" itself'),
        (lambda dep, id: dep.table("likes//counts"), InvalidValueError, "`?component='likes'"),
        (lambda dep, id: dep.query(components.likes.nosy, what="auth"), ComponentError, r"no `ctx\.auth` inside"),
        (lambda dep, id: dep.query(components.likes.nosy, what="env"), ComponentError, r"no `ctx\.env` inside"),
        (lambda dep, id: dep.query(components.like.total, name="a"), FunctionNotFoundError, 'Did you mean "likes"'),
        (lambda dep, id: dep.query(components.likes.totl, name="a"), FunctionNotFoundError, '"likes//total"'),
        (lambda dep, id: dep.query(components.likes.everything), FunctionNotFoundError, "internal to the component"),
        (lambda dep, id: dep.query(components.likes.add, name="a"), FunctionNotFoundError, "is a mutation"),
        (lambda dep, id: dep.query(components.likes.total, nam="a"), ArgumentValidationError, "likes//total"),
        (lambda dep, id: dep.client().query("likes//total", name="a"), FunctionNotFoundError, "public function"),
        (lambda dep, id: dep.client().query(components.likes.total), FunctionNotFoundError, "public function"),
        (lambda dep, id: dep.client().mutation("function://likes//add"), FunctionNotFoundError, "public function"),
        (lambda dep, id: dep.query(query("q")(_by_path), path="likes//total"), FunctionNotFoundError, "likes//total"),
    ],
)
def test_what_is_refused(do: Callable[[Deployment, str], Any], error: type[Exception], text: str) -> None:
    with opened() as dep:
        id = dep.mutation(like, name="a")
        with pytest.raises(error, match=text):
            do(dep, id)


def _by_path(ctx: QueryCtx, path: str) -> Any:
    return ctx.run_query(path, name="a")


def test_identity_and_variables_stay_outside_in_actions_too() -> None:
    asking = define_component("asking")

    @asking.action
    def ask(ctx: Any, what: str) -> Any:
        return getattr(ctx, what)

    @action
    def forward(ctx: Any, what: str) -> Any:
        assert ctx.auth.get_user_identity()["subject"] == "ada"
        return ctx.run_action(components.asking.ask, what=what)

    with opened(asking) as dep:
        dep.register(forward)
        for what in ("auth", "env"):
            with pytest.raises(ComponentError, match=what):
                dep.client({"subject": "ada"}).action("forward", what=what)


def test_system_tables_and_files_are_its_own() -> None:
    keeping = define_component("keeping")

    @keeping.action
    def keep(ctx: Any, text: str) -> Any:
        id = ctx.storage.store(text.encode())
        return id, ctx.storage.get(id).text(), ctx.storage.get_url(id)

    with opened(keeping, keeping.named("more")) as dep:
        id, text, url = dep.action(components.keeping.keep, text="hello")
        assert (text, dep.action(components.more.keep, text="hello")[1]) == ("hello", "hello")
        assert (len(dep.files), list(dep.components["keeping"].files)) == (0, [id])
        assert dep.components["keeping"].files[id].text() == "hello"
        with pytest.raises(KeyError):
            dep.files[id]
        dep.check()
        assert dep.components["keeping"].clear() == 2
        assert list(dep.components["keeping"].files) == []
        assert len(dep.components["more"].files) == 1
        dep.check()
    assert url.startswith("data:")


def test_uploads_arrive_where_they_were_asked_for() -> None:
    keeping = define_component("keeping")
    keeping.mutation("url")(lambda ctx: ctx.storage.generate_upload_url())
    with opened(keeping) as dep:
        id = dep.files.upload(dep.mutation(components.keeping.url), b"x")
        assert (list(dep.files), list(dep.components["keeping"].files)) == ([], [id])


def test_sql_reads_a_component_by_its_whole_name() -> None:
    with opened() as dep:
        dep.mutation(like, name="a")
        assert dep.sql('select name, n from "likes//counts"').rows() == [{"name": "a", "n": 1}]


def test_internal_functions_of_the_application_are_not_those_of_a_component() -> None:
    with opened() as dep:
        dep.register(internal_query("everything")(lambda ctx: "mine"))
        assert dep.query("everything") == "mine"
        assert dep.components["likes"].query("everything") == []
        assert set(dep.functions) == {"everything"}
        inside = dep.components["likes"].functions
        assert "total" in inside
        assert dep.functions["likes//total"] is inside["total"]
        assert "likes//total" not in inside
        assert dep.unregister("likes//total", "everything") == {"everything"}


def test_the_schema_is_that_of_each() -> None:
    with opened() as dep:
        assert dep.schema == SCHEMA
        schema = dep.components["likes"].schema
        assert schema is not None
        assert schema.tables.keys() == {"counts"}
        dep.push(SCHEMA)
        assert dep.components["likes"].schema == schema
