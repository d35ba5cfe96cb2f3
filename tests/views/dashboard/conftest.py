"""Pages over a real deployment, with a reader that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

import convex_nb
from convex_nb import internal_mutation, mutation, query, v
from convex_nb.deployment.definitions import find_function
from convex_nb.deployment.deployment import Deployment
from convex_nb.language.schema import define_schema, define_table
from convex_nb.views.dashboard.blocks import Block
from convex_nb.views.dashboard.page import Page
from convex_nb.views.dashboard.pages import open_page
from convex_nb.views.editing import Editing
from convex_nb.views.fed_view import FedView
from convex_nb.views.form_view import Asked, FormView

SCHEMA = define_schema(
    {"messages": define_table({"author": v.string(), "likes": v.optional(v.number())}).index("by_author", ["author"])}
)


@mutation("messages:send")
def send(ctx: Any, author: str, likes: int = 0) -> Any:
    print("sending for", author)
    return ctx.db.insert("messages", {"author": author, "likes": likes})


@mutation("messages:fail")
def fail(ctx: Any) -> None:
    raise ValueError("no <b>luck</b>")


@query("messages:list")
def listed(ctx: Any, author: str | None = None) -> Any:
    return [each for each in ctx.db.query("messages").collect() if author in (None, each["author"])]


@query("users:me")
def me(ctx: Any) -> Any:
    return ctx.auth.get_user_identity()


@internal_mutation("messages:tidy")
def tidy(ctx: Any) -> None:
    return None


class Host:
    """A front door that refreshes when the test says so."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.marks = 0
        self.views: list[FedView] = []

    def mark(self) -> None:
        self.marks += 1

    def view(self, path: str, watch: Callable[[Callable[[], None]], Any], editing: Editing | None = None) -> FedView:
        view = FedView(path, lambda _: watch(self.mark), {}, editing=editing)
        self.views.append(view)
        return view

    def form(self, path: str, run: Callable[[Mapping[str, Any]], tuple[Any, str]]) -> FormView:
        function = find_function(self.deployment, path)

        class Called:
            def asked(self) -> Asked:
                return Asked(function.kind, function.args, {})

            def run(self, arguments: Mapping[str, Any]) -> tuple[Any, str]:
                return run(arguments)

            def choices(self, table: str) -> list[tuple[str, str]]:
                return []

            def store(self, data: bytes, media: str | None) -> str:
                raise AssertionError("no field of the dashboard's forms takes a file")

            def forget(self, id: str) -> None:
                raise AssertionError(id)

        return FormView(path, Called())


class Reader:
    """One page, and what is done on it."""

    def __init__(self, page: Page, host: Host) -> None:
        self.page, self.host = page, host

    def __getitem__(self, key: str) -> Block:
        """The block of a key as it is now."""
        self.page.refresh()
        assert self.page.error is None, self.page.error
        return next(block for block in self.page.value if block["key"] == key)

    def __contains__(self, key: str) -> bool:
        self.page.refresh()
        return any(block["key"] == key for block in self.page.value)

    def do(self, act: str, key: str = "", **entries: str) -> None:
        self.page.do({"type": "do", "act": act, "key": key, "entries": entries})

    def cells(self, key: str) -> list[list[Any]]:
        return [line["cells"] for line in self[key]["lines"]]

    def buttons(self, key: str) -> list[str]:
        return [each["label"] for each in self[key]["buttons"]]

    @property
    def said(self) -> str:
        return self["notice"]["text"]

    @property
    def rows(self) -> list[Any]:
        """The rows of the newest view inside."""
        self.host.deployment.refresh()
        view = self.host.views[-1]
        view.absorb()
        return list(view.value)


@pytest.fixture(params=["dev"])
def deployment(request: pytest.FixtureRequest) -> Iterator[Deployment]:
    with convex_nb.open(mode=request.param) as opened:
        opened.push(SCHEMA)
        opened.register(send, fail, listed, me, tidy)
        yield opened


@pytest.fixture
def opened(deployment: Deployment) -> Iterator[Callable[[str], Reader]]:
    """Opens pages."""
    pages: list[Page] = []

    def open_it(name: str) -> Reader:
        host = Host(deployment)
        pages.append(open_page(name, deployment, host, {}))
        return Reader(pages[-1], host)

    yield open_it
    for page in pages:
        page.end()
