from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import ConvexError, FunctionNotFoundError, InvalidValueError, SchemaDefinitionError, components, mutation
from convex_nb.stock import Migrations, Triggers
from convex_nb.testing import ConvexTest

triggers = Triggers()
migrations = Migrations(components.migrations, batch_size=3, decorator=triggers.internal_mutation)
broken = {"text": ""}


@migrations.define("tasks")
def set_done(ctx: Any, task: Any) -> Any:
    if task["text"] == broken["text"]:
        raise ConvexError("broken")
    return None if "done" in task else {"done": False}


@triggers.on("tasks")
def audit(ctx: Any, change: Any) -> None:
    ctx.db.insert("audit", {"id": change.id})


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    broken["text"] = ""
    with ConvexTest() as test:
        test.register_component(Migrations.definition)
        test.deployment.register(set_done)
        test.run(lambda ctx: ctx.db.insert_many("tasks", [{"text": str(n)} for n in range(8)]))
        yield test


def run(test: ConvexTest, **options: Any) -> Any:
    return test.run(lambda ctx: migrations.run(ctx, set_done, **options))


def status(test: ConvexTest) -> Any:
    return test.run(lambda ctx: migrations.status(ctx, set_done))


def batches(test: ConvexTest, n: int) -> None:
    for _ in range(n):
        test.deployment.schedules.run_due()


def done(test: ConvexTest) -> Any:
    return test.run(lambda ctx: [each.get("done") for each in ctx.db.query("tasks").collect()])


def test_it_goes_over_the_table_in_batches_and_fires_triggers(test: ConvexTest) -> None:
    assert status(test) is None
    assert run(test) == {"state": "running", "processed": 0, "error": None}
    test.finish_all_scheduled_functions()
    assert status(test) == {"state": "done", "processed": 8, "error": None}
    assert done(test) == [False] * 8
    assert test.deployment.table("audit").count() == 8
    jobs = test.deployment.components["migrations"].transact(lambda db: db.system.query("_scheduled_functions").count())
    assert jobs == 3


def test_one_that_is_done_is_not_run_again_unless_reset(test: ConvexTest) -> None:
    run(test)
    test.finish_all_scheduled_functions()
    assert run(test)["state"] == "done"
    assert run(test, reset=True) == {"state": "running", "processed": 0, "error": None}
    assert run(test)["state"] == "running"
    test.finish_all_scheduled_functions()
    assert status(test)["processed"] == 8
    assert test.deployment.table("audit").count() == 8


def test_a_failed_one_says_why_and_goes_on_where_it_failed(test: ConvexTest) -> None:
    broken["text"] = "4"
    run(test)
    test.finish_all_scheduled_functions()
    failed = status(test)
    assert (failed["state"], failed["processed"]) == ("failed", 3)
    assert "broken" in failed["error"]
    assert done(test) == [False] * 3 + [None] * 5
    broken["text"] = ""
    assert run(test) == {"state": "running", "processed": 3, "error": None}
    test.finish_all_scheduled_functions()
    assert (status(test)["processed"], done(test)) == (8, [False] * 8)
    assert test.deployment.table("audit").count() == 8


def test_it_is_canceled_between_batches_and_goes_on_there(test: ConvexTest) -> None:
    def cancel(ctx: Any) -> bool:
        return migrations.cancel(ctx, set_done)

    assert test.run(cancel) is False
    run(test)
    assert test.run(cancel) is True
    assert test.run(cancel) is False
    test.finish_all_scheduled_functions()
    assert (status(test)["state"], done(test)) == ("canceled", [None] * 8)
    run(test)
    test.finish_all_scheduled_functions()
    assert done(test) == [False] * 8


def test_a_dry_run_tells_what_a_first_batch_does_and_undoes_it(test: ConvexTest) -> None:
    sample = test.run(lambda ctx: migrations.dry_run(ctx, set_done))
    assert (sample["processed"], sample["changed"], len(sample["changes"])) == (3, 3, 3)
    assert {**sample["changes"][0]["old"], "done": False} == sample["changes"][0]["new"]
    assert (done(test), status(test), test.deployment.table("audit").count()) == ([None] * 8, None, 0)
    broken["text"] = "0"
    with pytest.raises(ConvexError, match="broken"):
        test.run(lambda ctx: migrations.dry_run(ctx, set_done))


def test_what_is_no_migration_is_refused(test: ConvexTest) -> None:
    @mutation
    def plain(ctx: Any, cursor: Any, batch_size: Any, dry_run: Any) -> None: ...

    with pytest.raises(FunctionNotFoundError):
        test.run(lambda ctx: migrations.run(ctx, "nothing:here"))
    test.deployment.register(plain)
    with pytest.raises(InvalidValueError, match="is no migration"):
        test.run(lambda ctx: migrations.dry_run(ctx, plain))
    with pytest.raises(InvalidValueError, match="one document or more"):
        Migrations(batch_size=0)
    with pytest.raises(SchemaDefinitionError, match="of a table"):
        migrations.define(lambda ctx, task: None)  # type: ignore[arg-type]
    with pytest.raises(SchemaDefinitionError, match="plain `def`"):
        migrations.define("tasks")(plain)
