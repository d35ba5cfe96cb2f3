from __future__ import annotations

from typing import Any

from convex_nb import QueryCtx, internal_query
from convex_nb.testing import ConvexTest


@internal_query("auth:name")
def name(ctx: QueryCtx) -> Any:
    identity = ctx.auth.get_user_identity()
    return identity and identity["name"]


def test_calls_as_a_user_reach_internal_functions_too() -> None:
    with ConvexTest() as t:
        ada = t.with_identity(name="Ada")
        assert (t.query(name), ada.query(name), t.with_identity({"name": "Bob"}).query(name)) == (None, "Ada", "Bob")
        assert t.with_identity({"name": "Bob"}, email="b@example.org").query(name) == "Bob"
        assert ada.run(lambda ctx: dict(ctx.auth.get_user_identity() or {})["issuer"]) == "https://convex.test"
