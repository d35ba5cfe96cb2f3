"""Components come and go: trees, names, new code, other schemas, files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from convex_nb import (
    ComponentError,
    Deployment,
    FunctionNotFoundError,
    QueryCtx,
    SchemaValidationError,
    components,
    cron_jobs,
    define_component,
    define_schema,
    define_table,
    query,
    v,
)
from convex_nb.deployment.components.installing import whole_schema
from convex_nb.stock import Workpool
from tests.deployment.components.counting import SCHEMA, counter, opened


def counts_of(dep: Deployment, path: str) -> int:
    return dep.table("counts", component=path).count()


def test_a_component_that_is_not_installed_is_missed_by_its_path() -> None:
    with opened(counter()) as dep:
        with pytest.raises(KeyError, match="no component 'zz' here; there are: counter"):
            dep.components["zz"]
        assert dep.components.get("zz") is None
    with convex_nb.open() as dep, pytest.raises(KeyError, match="no component 'zz' here; there are: none"):
        dep.components["zz"]


def test_a_tree_has_tables_for_each_instance() -> None:
    middle = define_component("middle")
    middle.use(counter())
    middle.use(counter(), name="other")
    with opened(middle, middle.named("again"), counter()) as dep:
        assert list(dep.components) == [
            *("again", "again/counter", "again/other", "counter"),
            *("middle", "middle/counter", "middle/other"),
        ]
        dep.components["again/other"].mutation("add", name="a")
        assert {path: counts_of(dep, path) for path in dep.components if counts_of(dep, path)} == {"again/other": 1}
        assert repr(dep.components["again/other"]).startswith("<component again/other: 9 functions, counts (1)>")


def test_the_same_again_changes_nothing() -> None:
    one = counter()
    with opened(one) as dep:
        before = dep.timestamp
        changed: list[Any] = []
        dep._registry.on_change.append(changed.append)
        dep.push(SCHEMA, components=[one])
        dep.push(components=[one])
        dep.use(one)
        assert (dep.timestamp, changed) == (before, [])


def test_a_component_without_documents_goes_and_one_with_documents_does_not() -> None:
    one = counter()
    with opened(one, one.named("likes")) as dep:
        dep.mutation(components.likes.add, name="a")
        with pytest.raises(ComponentError, match=r'"likes" has documents \(1 in .likes//counts.\).*nothing changed'):
            dep.push(components=[one])
        assert dep.query(components.likes.total, name="a") == 1
        dep.push(components=[one.named("likes")])
        with pytest.raises(FunctionNotFoundError, match="Installed: likes"):
            dep.query(components.counter.total, name="a")
        assert dep.components["likes"].clear() == 1
        dep.push(components=[])
        assert (list(dep.components), repr(dep.components)) == ([], "no components")


def test_the_last_one_goes_from_an_application_without_a_schema() -> None:
    with convex_nb.open() as dep:
        dep.push(components=[counter()])
        assert (dep.schema, list(dep.components)) == (None, ["counter"])
        dep.push(components=[])
        assert (dep.schema, list(dep.components)) == (None, [])


def test_new_code_is_live_at_once() -> None:
    one = counter()
    with opened(one) as dep:
        convex_nb.set_current(dep)
        seen: list[Any] = []
        dep.subscribe(components.counter.total, {"name": "a"}, seen.append)
        one.query(path="total")(lambda ctx, name: "new")
        dep.settle()
        one.query(path="more")(lambda ctx: "more")
        assert (seen, dep.query(components.counter.more)) == ([0, "new"], "more")
        one.use(counter("inner"))
        assert "counter/inner" in dep.components
    convex_nb.set_current(None)


def test_stored_documents_are_checked_against_a_new_schema() -> None:
    with opened(counter()) as dep:
        dep.mutation(components.counter.add, name="a")
        other = define_component("counter", define_schema({"counts": define_table({"name": v.string()})}))
        with pytest.raises(SchemaValidationError, match="counter//counts"):
            dep.push(components=[other])
        assert dep.query(components.counter.total, name="a") == 1
        unchecked = define_schema({"counts": define_table({"name": v.number()})}, schema_validation=False)
        dep.push(components=[define_component("counter", unchecked)])
        assert counts_of(dep, "counter") == 1


def test_a_push_is_all_or_nothing() -> None:
    one = counter()
    with opened(one) as dep:
        crons = cron_jobs()
        crons.interval("tick", {"minutes": 1}, components.late.total, {"name": "a"})
        with pytest.raises(FunctionNotFoundError):
            dep.push(components=[one, one.named("later")], crons=crons)
        assert list(dep.components) == ["counter"]
        crons = cron_jobs()
        crons.interval("tick", {"minutes": 1}, components.later.add, {"name": "a"})
        dep.push(components=[one, one.named("later")], crons=crons)
        assert list(dep.components) == ["counter", "later"]


def test_components_live_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "app.convex"
    with convex_nb.open(path) as dep:
        dep.push(SCHEMA, components=[counter()])
        dep.mutation(components.counter.add, name="a")
    with convex_nb.open(path) as dep:
        assert (dep.schema, list(dep.tables)) == (SCHEMA, ["notes"])
        inside = dep.components["counter"]
        assert "not installed since" in repr(inside)
        assert inside.table("counts").count() == 1
        with pytest.raises(FunctionNotFoundError, match='no component "counter"'):
            dep.query(components.counter.total, name="a")
        with pytest.raises(ComponentError, match="has documents"):
            dep.push(components=[])
        dep.push(components=[counter()])
        dep.mutation(components.counter.add, name="a")
        assert dep.query(components.counter.total, name="a") == 2
        dep.check()


def test_a_fork_has_the_components() -> None:
    with opened() as dep:
        dep.mutation(components.likes.add, name="a")
        dep.mutation(components.likes.add_later, name="later")
        with dep.fork() as fork:
            assert fork.query(components.likes.jobs) == []
            fork.mutation(components.likes.add, name="a")
            assert fork.query(components.likes.total, name="a") == 2
        assert dep.query(components.likes.total, name="a") == 1


def _cycle() -> Any:
    one, two = define_component("one"), define_component("two")
    one.use(two)
    two.use(one)


def _taken() -> Any:
    one = define_component("one")
    one.use(define_component("two"), name="x")
    one.use(define_component("three"), name="x")


@pytest.mark.parametrize(
    ("do", "error", "text"),
    [
        (lambda dep: define_component("1a"), ComponentError, "cannot be the name"),
        (lambda dep: define_component("a-b"), ComponentError, "cannot be the name"),
        (lambda dep: define_component("a/b"), ComponentError, "cannot be the name"),
        (lambda dep: define_component("_a"), ComponentError, "cannot be the name"),
        (lambda dep: counter().named("a b"), ComponentError, "cannot be the name"),
        (lambda dep: define_component("a", {"t": 1}), convex_nb.SchemaDefinitionError, "define_schema"),  # type: ignore[arg-type]
        (lambda dep: _cycle(), ComponentError, "two > one > two"),
        (lambda dep: _taken(), ComponentError, 'uses the component "two" as "x" already'),
        (
            lambda dep: dep.push(components=[counter(), counter()]),
            ComponentError,
            'Two components are called "counter"',
        ),
        (lambda dep: dep.push(components=counter()), ComponentError, "takes a list of components"),
        (lambda dep: dep.push(components=["counter"]), ComponentError, "is what `define_component"),
        (lambda dep: dep.use(counter(), name="a b"), ComponentError, "cannot be the name"),
        (lambda dep: dep.use(counter), ComponentError, "is what `define_component"),
        (lambda dep: dep.push(components=[Workpool]), ComponentError, "Write `Workpool.definition`."),
        (lambda dep: dep.use(Workpool(name="a")), ComponentError, "Write `Workpool.definition`."),
        (
            lambda dep: dep.query(counter().functions["total"]),
            FunctionNotFoundError,
            "one function of several|not inst",
        ),
    ],
)
def test_what_cannot_be_installed(do: Callable[[Deployment], Any], error: type[Exception], text: str) -> None:
    with opened() as dep:
        with pytest.raises(error, match=text):
            do(dep)
        assert list(dep.components) == ["counter", "likes"]


def test_a_function_that_is_installed_once_can_be_called_as_it_is() -> None:
    one = counter()
    with opened(one) as dep:
        convex_nb.set_current(dep)
        one.functions["add"](name="a")
        assert one.functions["total"](name="a") == 1

        @query
        def directly(ctx: QueryCtx) -> Any:
            return ctx.run_query(one.functions["total"], name="a")

        with pytest.raises(FunctionNotFoundError, match='belongs to the component "counter"'):
            dep.query(directly)
        dep.use(one, name="likes")
        with pytest.raises(FunctionNotFoundError, match="several instances"):
            one.functions["total"](name="a")
    convex_nb.set_current(None)


def test_completion_offers_what_is_installed() -> None:
    with opened(counter()) as dep:
        convex_nb.set_current(dep)
        assert dir(components) == ["counter"]
        assert {"add", "total"} <= set(dir(components.counter))
        assert "everything" not in dir(components.counter)
    convex_nb.set_current(None)


def test_of_two_pushes_at_once_neither_takes_the_other_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with convex_nb.open() as dep:
        other = threading.Thread(target=dep.push, args=(SCHEMA,))

        def and_meanwhile_another(*given: Any, **options: Any) -> Any:
            whole = whole_schema(*given, **options)
            if other.ident is None:
                other.start()
                other.join(0.2)
            return whole

        monkeypatch.setattr("convex_nb.deployment.deployment.whole_schema", and_meanwhile_another)
        dep.use(counter())
        other.join()
        assert (dep.schema, list(dep.components)) == (SCHEMA, ["counter"])
        assert dep.components["counter"].schema is not None
