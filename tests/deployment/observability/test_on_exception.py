from __future__ import annotations

import logging
import traceback

import pytest

import convex_nb
from convex_nb import ActionCtx, InvalidValueError, QueryCtx, action, query


@query("m:fails")
def fails(ctx: QueryCtx) -> None:
    ctx.auth.get_user_identity()
    raise ValueError("no")


@action("m:calls")
def calls(ctx: ActionCtx) -> None:
    ctx.run_query("m:fails")


def test_whatever_a_function_raises_is_reported_until_it_is_not() -> None:
    seen: list[tuple[Exception, dict[str, str]]] = []
    with convex_nb.open() as dep:
        dep.register(fails, calls)
        end = dep.on_exception(lambda error, tags: seen.append((error, tags)))
        with pytest.raises(ValueError, match="no"):
            dep.query("m:fails")
        with (
            dep.client({"subject": "ada", "tokenIdentifier": "t|ada"}) as client,
            pytest.raises(ValueError, match="no"),
        ):
            client.query("m:fails")
        with pytest.raises(ValueError, match="no"):
            dep.action("m:calls")
        end()
        with pytest.raises(ValueError, match="no"):
            dep.query("m:fails")
    assert [(tags["func"], tags["func_type"], tags.get("user")) for _, tags in seen] == [
        ("m:fails", "query", None),
        ("m:fails", "query", "t|ada"),
        ("m:fails", "query", None),
        ("m:calls", "action", None),
    ]
    error, tags = seen[0]
    assert "raise ValueError" in "".join(traceback.format_exception(error))
    assert error.request_id == tags["request_id"]  # type: ignore[attr-defined]
    assert (tags["environment"], tags["server_name"], tags["func_runtime"]) == ("dev", "memory", "default")


def test_a_reporter_that_fails_is_nobody_elses_matter(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Exception] = []

    def broken(error: Exception, tags: dict[str, str]) -> None:
        raise RuntimeError("the reporter")

    with convex_nb.open() as dep:
        dep.register(fails)
        with pytest.raises(InvalidValueError, match="takes a function"):
            dep.on_exception(None)  # type: ignore[arg-type]
        dep.on_exception(broken)
        dep.on_exception(lambda error, tags: seen.append(error))
        with caplog.at_level(logging.ERROR, "convex_nb"), pytest.raises(ValueError, match="no"):
            dep.query("m:fails")
    assert len(seen) == 1
    assert "the reporter" in caplog.text
