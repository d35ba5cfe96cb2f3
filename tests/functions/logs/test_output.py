from __future__ import annotations

import builtins
import io
import logging
import warnings
from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, MutationCtx, QueryCtx, mutation, query
from convex_nb.functions.logs import output
from tests.functions.apps import add_task, list_tasks, open_app


def lines(dep: Deployment) -> list[tuple[str, str]]:
    return [(line.path, line.message) for line in dep.logs]


@query("m:speaks")
def speaks(ctx: QueryCtx) -> None:
    print("one", 2, sep="-")
    print("no end", end="")
    print("two\nlines")
    print()


def test_print_inside_a_function_is_its_log_and_not_output(capsys: pytest.CaptureFixture[str]) -> None:
    elsewhere = io.StringIO()

    @mutation("m:outer")
    def outer(ctx: MutationCtx) -> None:
        print("before")
        ctx.run_query(speaks)
        print("to a file", file=elsewhere)
        print("after", flush=True)

    with open_app() as dep:
        dep.mutation(outer)
        print("outside")
        dep.subscribe(list_tasks, {}, lambda value: print("in a callback"))
    assert [message for _, message in lines(dep)] == ["before", "one-2", "no end", "two\nlines", "", "after"]
    assert {path for path, _ in lines(dep)} == {"m:outer"}
    assert capsys.readouterr().out == "outside\nin a callback\n"
    assert elsewhere.getvalue() == "to a file\n"


def test_what_a_failing_call_printed_is_kept() -> None:
    @query("m:fails")
    def fails(ctx: QueryCtx) -> None:
        print("so far")
        raise ValueError("no")

    with open_app() as dep:
        with pytest.raises(ValueError, match="no"):
            dep.query(fails)
        assert lines(dep) == [("m:fails", "so far")]
        (record,) = dep.logs.executions
        assert (record.status, record.error, record.kind) == ("failure", "ValueError: no", "query")


@pytest.mark.filterwarnings("always")
def test_logging_and_warnings_are_log_lines_as_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger("tests.functions.spoken")
    logger.setLevel(logging.DEBUG)

    @query
    def speaks_up(ctx: QueryCtx) -> None:
        logger.debug("a %s", "debug")
        logger.info("an info")
        logger.warning("a warning")
        logger.critical("an error")
        warnings.warn("be careful", stacklevel=1)

    with open_app() as dep:
        # pytest records warnings in a way of its own, in place of what we put there.
        monkeypatch.setattr(warnings, "showwarning", output._captured_showwarning)
        dep.query(speaks_up)
        assert [(line.level, line.message) for line in dep.logs] == [
            ("DEBUG", "a debug"),
            ("INFO", "an info"),
            ("WARN", "a warning"),
            ("ERROR", "an error"),
            ("WARN", "UserWarning: be careful"),
        ]
    assert capsys.readouterr() == ("", "")


def test_logging_outside_of_functions_is_as_ever(caplog: pytest.LogCaptureFixture) -> None:
    before = (logging.Logger.callHandlers, warnings.showwarning)
    with convex_nb.open():
        logging.getLogger("tests").error("outside")
        assert [record.getMessage() for record in caplog.records] == ["outside"]
        assert logging.Logger.callHandlers is not before[0]
    assert (logging.Logger.callHandlers, warnings.showwarning) == before


def test_print_is_pythons_own_again_when_the_last_deployment_closes() -> None:
    before = builtins.print
    with convex_nb.open():
        with convex_nb.open():
            assert builtins.print is not before
        assert builtins.print is not before
    assert builtins.print is before


def test_a_print_that_somebody_else_put_in_our_place_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def theirs(*values: Any) -> Any: ...

    monkeypatch.setattr(builtins, "print", builtins.print)
    with convex_nb.open():
        builtins.print = theirs  # type: ignore[assignment]
    assert builtins.print is theirs


def test_long_lines_are_cut_and_many_are_counted() -> None:
    @query
    def chatters(ctx: QueryCtx) -> None:
        print("é" * 5000)
        for n in range(1000):
            print(n)

    with open_app() as dep:
        dep.query(chatters)
        first, *others = [line.message for line in dep.logs]
        assert first == "é" * 2048 + "… (cut)"
        assert len(others) == 256
        assert others[-1] == "Only the first 256 lines of a call are kept."


def test_logs_and_executions_as_frames() -> None:
    with open_app() as dep:
        dep.mutation(add_task, text="a")
        dep.query(list_tasks)
        dep.query(list_tasks)
        dep.query(speaks)
        executions = dep.logs.executions.df()
        assert list(executions["path"]) == ["tasks:add", "tasks:list", "tasks:list", "m:speaks"]
        assert list(executions["cached"]) == [False, False, True, False]
        assert list(executions["documents_read"]) == [0, 1, 0, 0]
        assert list(executions["documents_written"]) == [1, 0, 0, 0]
        assert (executions["duration_ms"] > 0).all()
        assert executions["time"].is_monotonic_increasing
        logs = dep.logs.df()
        assert list(logs.columns[:5]) == ["number", "time", "path", "level", "message"]
        assert set(logs["number"]) == {executions["number"].iloc[-1]}
        assert len(dep.logs) == 4
        assert len(dep.logs.executions) == 4
        assert "m:speaks  LOG  one-2" in repr(dep.logs)
    with convex_nb.open() as dep:
        assert len(dep.logs.df()) == len(dep.logs.executions.df()) == 0


def test_the_log_keeps_the_newest() -> None:
    with open_app() as dep:
        for n in range(5000):
            dep.query(list_tasks, done=bool(n % 2))
        records = list(dep.logs.executions)
        assert len(records) == 4096
        assert records[-1].number == 5000
