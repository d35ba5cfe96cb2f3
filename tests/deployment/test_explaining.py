"""How a query function reads."""

from __future__ import annotations

import convex_nb
from convex_nb.deployment.explaining import plans_of
from convex_nb.functions.contexts import QueryCtx


def test_the_plans_of_a_run() -> None:
    def both(ctx: QueryCtx, n: int) -> int:
        return len(ctx.db.query("a").take(n)) + ctx.db.query("b").count()

    with convex_nb.open() as dep:
        dep.transact(lambda db: len(db.insert_many("a", [{"n": n} for n in range(5)])))
        function = convex_nb.query(both)
        plans = plans_of(dep, function, {"n": 2})
        assert [(plan.table, plan.call, plan.rows_scanned, plan.path) for plan in plans if plan.path != "search"] == [
            ("a", "take(2)", 2, "index"),
            ("b", "count()", 0, "empty"),
        ]
        # A cached answer is asked for again all the same, and nothing is recorded outside.
        assert dep.query(function, n=2) == 2
        assert len(plans_of(dep, function, {"n": 2})) == 2
        assert len(plans) == 2


def test_the_plans_up_to_an_error() -> None:
    def fails(ctx: QueryCtx) -> None:
        ctx.db.query("a").first()
        raise ValueError("no")

    with convex_nb.open() as dep:
        assert [plan.call for plan in plans_of(dep, convex_nb.query(fails), {})] == ["first()"]
