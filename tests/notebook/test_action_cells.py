"""`%%convex_action`, and query cells whose query is paginated."""

from __future__ import annotations

from convex_nb.views.paginated_view import PaginatedView
from tests.notebook.conftest import Notebook


def test_an_action_cell_defines_actions(chat: Notebook) -> None:
    cell = """%%convex_action post
import asyncio

def greet(ctx, to: str):
    return ctx.run_mutation("messages:send", author="post", body=f"hello {to}")

async def greet_all(ctx):
    return await asyncio.gather(*[ctx.run_action_async("post:greet", to=name) for name in ("Ada", "Bob")])
"""
    said = chat.ok(cell).text
    assert "post:greet  action  (to: str)" in said
    assert "post:greet_all  action  ()" in said
    assert len(chat.ok("greet_all()").value) == 2
    assert chat.deployment.table("messages").count() == 2
    assert "internal action" in chat.ok("%%convex_action --internal\ndef quietly(ctx):\n    pass").text


def test_an_action_cell_without_an_action(chat: Notebook) -> None:
    assert "defines no action" in chat.run("%%convex_action\n1 + 1").text
    assert "does not take `ctx` as its first" in chat.run("%%convex_action\ndef greet(to):\n    pass").text


def test_a_cell_of_a_paginated_query_shows_its_first_page(chat: Notebook) -> None:
    for number in range(30):
        chat.ok(f'send(author="Ada", body="{number}")')
    cell = "%%convex_query messages --as pages\ndef pages(ctx, pagination_opts, author: str = 'Ada'):\n    "
    view = chat.ok(cell + 'return ctx.db.query("messages").order("desc").paginate(pagination_opts)').value
    assert isinstance(view, PaginatedView)
    assert chat["pages"] is view
    assert (len(view.results), view.status) == (20, "CanLoadMore")
    chat.ok('send(author="Ada", body="newest")')
    assert view.results[0]["body"] == "newest"
