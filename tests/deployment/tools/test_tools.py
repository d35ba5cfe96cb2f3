from __future__ import annotations

from typing import Any

import pytest

import convex_nb
from convex_nb import Deployment, FunctionNotFoundError, Int64, InvalidValueError, ReadOnlyError, SqlError, to_json
from tests.deployment.description.app import open_app

NAMES = ["status", "tables", "data", "runOneoffQuery", "functionSpec", "run", "logs"]
NAMES += ["envList", "envGet", "envSet", "envRemove"]
"""As Convex has them."""


def filled() -> Deployment:
    dep = open_app()
    with dep.transaction() as db:
        for n in range(5):
            db.insert("loose", {"n": Int64(n), "raw": b"x"})
    return dep


def test_a_model_finds_its_way() -> None:
    with filled() as dep:
        tools = dep.mcp_tools()
        assert list(tools) == NAMES
        assert all(tool.__doc__ for tool in tools.values())
        status = tools["status"]()
        assert (status["deployment"], status["documents"]["loose"], status["timestamp"]) == ("memory", 5, dep.timestamp)
        tables = tools["tables"]()
        assert [name for name, table in tables.items() if not table["isDeclared"]] == ["loose"]
        assert tables["loose"]["schema"]["required"] == ["_id", "_creationTime", "n", "raw"]
        assert tables["messages"]["schema"]["properties"]["mood"]["anyOf"]
        assert tools["functionSpec"]() == dep.function_spec()


def test_documents_come_in_pages() -> None:
    with filled() as dep:
        data = dep.mcp_tools()["data"]
        first = data("loose", limit=3)
        assert [each["n"] for each in first["page"]] == [to_json(Int64(n)) for n in (4, 3, 2)]
        rest = data("loose", cursor=first["continueCursor"])
        assert ([each["n"] for each in rest["page"]], rest["isDone"]) == ([to_json(Int64(n)) for n in (1, 0)], True)
        assert data("loose", order="asc", limit=1)["page"][0]["n"] == to_json(Int64(0))
        assert data("_scheduled_functions")["isDone"]


def test_sql_reads_and_nothing_else() -> None:
    with filled() as dep:
        ask = dep.mcp_tools()["runOneoffQuery"]
        assert ask("select sum(n) as total from loose") == {
            "columns": ["total"],
            "rows": [{"total": 10}],
            "isTruncated": False,
        }
        assert ask("select n from loose", limit=2)["isTruncated"]
        before = dep.timestamp
        for statement in (
            "delete from loose",
            "select * from read_csv('/etc/passwd')",
            "copy loose to '/tmp/out.csv'",
            "attach '/tmp/other.db'",
            "install httpfs",
            "set enable_external_access = true",
            "select 1; delete from loose",
            "select * from _environment",
        ):
            with pytest.raises(SqlError):
                ask(statement)
        assert dep.timestamp == before


def test_functions_are_called_with_json() -> None:
    with filled() as dep:
        run = dep.mcp_tools()["run"]
        assert run("ping") == {"value": "pong", "logLines": []}
        assert run("messages:recent", {"moods": []})["value"] == [{"body": "hello", "seen": to_json(Int64(2))}]
        sent = run("messages:send", {"body": "hi", "seen": to_json(Int64(7))})["value"]
        assert dep.table("anything").df()["_id"].tolist() == [sent]
        assert run("messages:sweep")["value"] is None
        with pytest.raises(convex_nb.ServerError, match="missing the required field"):
            run("messages:send", {})
        with pytest.raises(FunctionNotFoundError, match="there are admin/tools-2:import, messages:recent"):
            run("messages:nothing")


def test_what_only_reads_changes_nothing() -> None:
    with filled() as dep:
        dep.env["KEY"] = "secret"
        tools = dep.mcp_tools(read_only=True)
        assert [name for name in NAMES if name not in tools] == ["envSet", "envRemove"]
        assert tools["run"]("ping")["value"] == "pong"
        for path in ("messages:send", "admin/tools-2:import"):
            with pytest.raises(ReadOnlyError, match="it did not run"):
                tools["run"](path, {"body": "x"})


def test_values_of_the_environment_are_given_one_by_one() -> None:
    with filled() as dep:
        tools = dep.mcp_tools()
        assert tools["envSet"]("KEY", "secret") == {"set": "KEY"}
        assert tools["envList"]() == {"names": ["KEY"]}
        assert tools["envGet"]("KEY") == {"name": "KEY", "value": "secret"}
        assert tools["envRemove"]("KEY") == {"removed": "KEY"}
        assert tools["envGet"]("KEY")["value"] is None
        with pytest.raises(InvalidValueError, match="nothing was removed"):
            tools["envRemove"]("KEY")


def test_logs_are_read_from_where_one_was() -> None:
    with filled() as dep:
        tools = dep.mcp_tools()
        tools["run"]("ping")
        first = tools["logs"]()
        assert [event["function"]["path"] for event in first["entries"]] == ["ping"]
        assert tools["logs"](since=first["newest"]) == {"entries": [], "newest": first["newest"]}


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("data", {"tableName": "nowhere"}, "There is no table 'nowhere': there are anything, loose"),
        ("data", {"tableName": "loose", "limit": 0}, "from 1 to 1,000, not 0"),
        ("data", {"tableName": "_environment"}, "_environment"),
        ("data", {"tableName": "loose", "order": "up"}, "up"),
        ("runOneoffQuery", {"query": "select 1", "limit": 5000}, "not 5000"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, arguments: dict[str, Any], said: str) -> None:
    with filled() as dep, pytest.raises(convex_nb.ConvexNbError, match=said):
        dep.mcp_tools()[name](**arguments)


def test_tools_are_left_out_by_name() -> None:
    with filled() as dep:
        assert list(dep.mcp_tools(disable=["run", "envGet"])) == [
            each for each in NAMES if each not in ("run", "envGet")
        ]
        assert "run" not in dep.mcp_tools(disable="run")
        with pytest.raises(InvalidValueError, match="There is no tool 'Run'"):
            dep.mcp_tools(disable=["Run"])
