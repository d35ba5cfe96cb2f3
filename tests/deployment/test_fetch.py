from __future__ import annotations

from pathlib import Path

import pytest

import convex_nb
from convex_nb import (
    ActionCtx,
    Deployment,
    DeploymentPausedError,
    Request,
    Response,
    SchemaDefinitionError,
    http_router,
)
from convex_nb.testing.convex_test import ConvexTest
from tests.functions.apps import SCHEMA, add_task, list_tasks

http = http_router()


@http.route("/tasks", method="POST")
async def post_task(ctx: ActionCtx, request: Request) -> Response:
    print("got", request.method)
    return Response(ctx.run_mutation(add_task, text=request.json()["text"]))


@http.route("/who")
def who(ctx: ActionCtx, request: Request) -> Response:
    identity = ctx.auth.get_user_identity()
    return Response(f"{request.url} {identity['subject'] if identity else 'nobody'}")


def test_a_request_is_answered_without_a_server() -> None:
    with ConvexTest(SCHEMA) as t:
        assert t.fetch("/tasks").status == 404
        t.deployment.push(http=http)
        response = t.fetch("/tasks", method="POST", body='{"text": "hi"}')
        assert response.ok
        assert t.query(list_tasks)[0]["_id"] == response.text()
        assert t.fetch(Request("https://x.example/who?a=1")).text() == "https://x.example/who?a=1 nobody"
        assert t.deployment.fetch("/who", identity={"subject": "ada"}).text() == "http://localhost/who ada"
        assert t.fetch("/tasks", method="POST", body="{").status == 500
        records = [record for record in t.deployment.logs.executions if record.path == "POST /tasks"]
        assert [record.status for record in records] == ["success", "failure"]
        assert "got POST" in repr(t.deployment.logs)


def test_a_follower_sees_what_it_has_done() -> None:
    with ConvexTest(SCHEMA) as t:
        t.deployment.push(http=http)
        seen: list[int] = []
        t.deployment.subscribe(list_tasks, {}, lambda tasks: seen.append(len(tasks)))
        t.fetch("/tasks", method="POST", body='{"text": "hi"}')
        assert seen == [0, 1]


def test_a_paused_deployment_refuses() -> None:
    with convex_nb.open() as dep:
        dep.push(http=http)
        dep.pause()
        with pytest.raises(DeploymentPausedError):
            dep.fetch("/who")


def test_what_is_no_router_is_refused() -> None:
    message = r"push\(http=...\) takes `http_router\(\)`"
    with convex_nb.open() as dep, pytest.raises(SchemaDefinitionError, match=message):
        dep.push(http={"/": who})  # type: ignore[arg-type]


def write(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(f"from convex_nb import http_router, Response\n{text}")


def test_a_module_brings_its_router(tmp_path: Path) -> None:
    folder = tmp_path / "application"
    folder.mkdir()
    route = "@http.route('/x')\ndef x(ctx, request):\n    return Response('x')\n"
    write(folder, "http", f"http = http_router()\n{route}")
    with convex_nb.open() as dep:
        loaded(dep, folder)
        assert dep.fetch("/x").text() == "x"
        write(folder, "second", "http = http_router()\n")
        with pytest.raises(SchemaDefinitionError, match="a deployment has one router"):
            dep.load(f"{folder}/")


def loaded(dep: Deployment, folder: Path) -> None:
    assert dep.load(f"{folder}/") == frozenset()
