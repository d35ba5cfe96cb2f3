"""The pages of an installed component: its tables, its functions, and what it logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from convex_nb import (
    components,
    create_function_handle,
    define_component,
    define_schema,
    define_table,
    mutation,
    v,
)
from convex_nb.deployment.deployment import Deployment
from tests.views.dashboard.conftest import Reader

Open = Callable[[str], Reader]


@pytest.fixture
def installed(deployment: Deployment) -> Deployment:
    likes = define_component(
        "likes", schema=define_schema({"counts": define_table({"of": v.string(), "n": v.number()})})
    )

    @likes.mutation("lib:add")
    def add(ctx: Any, of: str) -> Any:
        print("adding to", of)
        return ctx.db.insert("counts", {"of": of, "n": 1})

    @likes.query("lib:all")
    def every(ctx: Any) -> Any:
        return [each["of"] for each in ctx.db.query("counts").collect()]

    deployment.use(likes)
    deployment.mutation("messages:send", author="Ada")
    deployment.components["likes"].mutation("lib:add", of="tea")
    return deployment


def test_its_tables(installed: Deployment, opened: Open) -> None:
    data = opened("data")
    assert [label for _, label in data["owner"]["rows"][0][0]["choices"]] == ["the application", "likes"]
    data.do("owner", component="likes")
    assert [(item["label"], item["note"]) for item in data["tables"]["items"]] == [("counts", "1")]
    assert [row["of"] for row in data.rows] == ["tea"]
    data.do("panel", "add")
    data.do("add_documents", text='[{"of": "rum", "n": 2}, {"of": "ale", "n": 3}]')
    assert [row["of"] for row in data.rows] == ["ale", "rum", "tea"]
    editing = data.host.views[-1].editing
    assert editing is not None
    editing.commit(data.rows[0], "n", "30")
    assert data.rows[0]["n"] == 30
    data.host.views[-1].selection = data.rows[0]["_id"]
    data.do("panel", "edit")
    assert '"n": 30' in data["editor"]["rows"][0][0]["value"]
    data.do("edit_documents", text='{"of": "ale", "n": 4}')
    data.do("delete")
    data.do("confirm")
    assert [row["of"] for row in data.rows] == ["rum", "tea"]
    data.do("panel", "schema")
    assert data["saved"]["text"].startswith("counts = define_table(")
    assert "Drop table" not in data.buttons("bar")
    data.do("clear")
    data.do("confirm")
    assert data.said == "counts was cleared."
    assert installed.components["likes"].table("counts").count() == 0
    data.do("owner", component="")
    assert [item["label"] for item in data["tables"]["items"]] == ["messages"]
    assert installed.table("messages").count() == 1


def test_its_files(installed: Deployment, opened: Open) -> None:
    installed.files.store(b"of the application")
    page = opened("files")
    page.do("owner", component="likes")
    assert page["files"]["lines"] == []
    files = installed.components["likes"].files
    id = files.store(b"hello", content_type="text/plain")
    assert [line["key"] for line in page["files"]["lines"]] == [id]
    page.do("store", file="")
    assert page.said.endswith("go by dep.components['likes'].files.store(path).")
    page.do("show", id)
    assert page["text"]["text"] == "hello"
    page.do("store", file="data:text/plain;base64,Ynll")
    assert len(files) == 2
    page.do("delete", id)
    # What was asked is done to whom it was asked of.
    page.do("owner", component="")
    page.do("confirm")
    assert (page.said, len(files), id in files) == ("The file was deleted.", 1, False)
    assert len(page["files"]["lines"]) == len(installed.files) == 1


def test_what_it_has_scheduled(installed: Deployment, opened: Open) -> None:
    alarms = define_component("alarms")

    @alarms.mutation("lib:set")
    def set_alarms(ctx: Any, told: str) -> None:
        for n in range(2):
            ctx.scheduler.run_after(60_000 + n, "lib:set", told=told)
        ctx.scheduler.run_after(70_000, told, author="Ada")

    @mutation("set")
    def begin(ctx: Any) -> None:
        ctx.scheduler.run_after(60_000, "messages:send", author="Bob")
        ctx.run_mutation(components.alarms.lib.set, told=create_function_handle("messages:send"))

    installed.use(alarms)
    installed.register(begin)
    page = opened("schedules")
    installed.mutation(begin)
    assert [cells[1] for cells in page.cells("waiting")] == ["messages:send"]
    page.do("owner", component="alarms")
    assert [cells[1] for cells in page.cells("waiting")] == ["lib:set", "lib:set", "messages:send"]
    assert "crons" not in page
    ((chosen,),) = page["filter"]["rows"]
    assert [label for _, label in chosen["choices"]] == ["all functions", "lib:set"]
    page.do("cancel_job", page["waiting"]["lines"][0]["key"])
    assert page.said == "The job was canceled."
    page.do("filter", function="lib:set")
    page.do("cancel_all")
    page.do("confirm")
    assert page.said == "1 job canceled."
    page.do("filter", function="")
    assert [cells[1] for cells in page.cells("waiting")] == ["messages:send"]
    assert len(installed.schedules.pending) == 1


def test_its_functions_run_and_are_followed(installed: Deployment, opened: Open) -> None:
    functions = opened("functions")
    functions.do("owner", component="likes")
    assert [item["label"] for item in functions["functions"]["items"]] == ["lib", "add", "all"]
    assert "identity" not in functions
    functions.do("function", "lib:all")
    form: Any = functions.page._shown["form likes//lib:all"]
    form._submit({})
    functions.do("function", "lib:add")
    form = functions.page._shown["form likes//lib:add"]
    form._submit({"of": "rum"})
    assert installed.components["likes"].query("lib:all") == ["tea", "rum"]
    functions.do("function", "lib:add")
    assert functions["charts"]["cards"][0]["figure"] == "2"
    assert len(functions["calls"]["lines"]) == 2


def test_what_it_logs(installed: Deployment, opened: Open) -> None:
    logs = opened("logs")

    def paths() -> set[Any]:
        return {line["cells"][1] for line in logs["calls"]["lines"]} & {"likes//lib:add", "messages:send"}

    filters = {"text": "", "function": "", "outcome": "", "level": ""}
    assert paths() == {"likes//lib:add", "messages:send"}
    logs.do("filter", **filters, component="likes")
    assert paths() == {"likes//lib:add"}
    logs.do("filter", **filters, component="")
    assert paths() == {"messages:send"}


def test_a_table_that_the_schema_does_not_name_is_dropped(installed: Deployment, opened: Open) -> None:
    installed.transact(lambda db: db.insert("notes", {"text": "one"}))
    data = opened("data")
    assert "Drop table" not in data.buttons("bar")
    data.do("table", "notes")
    data.do("drop")
    assert data["question"]["title"] == "Drop notes and its 1 document?"
    data.do("confirm")
    assert data.said == "notes was dropped."
    assert [item["label"] for item in data["tables"]["items"]] == ["messages"]
