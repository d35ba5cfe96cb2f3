from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import convex_nb
from tests.cli.conftest import Cli

mcp = pytest.importorskip("mcp")


async def talk(folder: Path) -> dict[str, Any]:
    """What a client hears that calls some tools of the project in a folder."""
    command = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "convex_nb", "mcp", "--disable-tools", "envRemove, envGet"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(Path.cwd())])},
    )
    heard: dict[str, Any] = {}
    async with mcp.Client(mcp.stdio_client(command)) as client:
        heard["tools"] = {tool.name: tool for tool in (await client.list_tools()).tools}

        async def call(tool: str, **arguments: Any) -> Any:
            result = await client.call_tool(tool, arguments)
            return result.content[0].text if result.is_error else result.structured_content

        heard["sent"] = await call("run", functionName="messages:send", args={"author": "Bob", "body": "hi"})
        heard["broken"] = await call("run", functionName="messages:broken")
        heard["count"] = await call("runOneoffQuery", query="select count(*) as n from messages")
        heard["wrong"] = await call("data", tableName="messages", limit="many")
        heard["logs"] = await call("logs")
        with convex_nb.open(folder / "app.convex"):
            # A notebook has the file.
            heard["beside"] = await call("data", tableName="messages", limit=1)
            heard["locked"] = await call("envSet", name="A", value="b")
    return heard


def test_a_client_uses_the_tools_over_stdio(project: Path) -> None:
    # In a thread of its own: that of the browser's tests has a loop that runs.
    with ThreadPoolExecutor(1) as thread:
        heard = thread.submit(asyncio.run, talk(project)).result()
    assert "envRemove" not in heard["tools"]
    assert heard["tools"]["data"].annotations.read_only_hint
    assert heard["tools"]["run"].annotations.destructive_hint
    assert heard["tools"]["data"].input_schema["required"] == ["tableName"]
    assert heard["sent"]["logLines"] == ["[LOG] 'sending hi'"]
    assert "no luck" in heard["broken"]
    assert "messages.py:17" in heard["broken"]
    assert heard["count"]["rows"] == [{"n": 4}]
    assert "valid integer" in heard["wrong"]
    assert "There is no log to read" in heard["logs"]
    assert heard["beside"]["page"][0]["body"] == "hi"
    assert "app.convex" in heard["locked"]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--prod",), "--dangerously-enable-production-deployments", 2),
        (("--disable-tools", "Run"), "There is no tool 'Run'", 2),
        (("other.convex",), "other.convex: nothing was opened", 1),
    ],
)
def test_what_is_not_offered(project: Path, cli: Cli, words: tuple[str, ...], said: str, code: int) -> None:
    outcome = cli("mcp", *words)
    assert (outcome.code, said in outcome.err) == (code, True)
