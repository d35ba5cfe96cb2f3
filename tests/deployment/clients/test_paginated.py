"""Pages of a live query: adjacent whatever happens, of one moment, and as many as were asked for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import convex_nb
from convex_nb import (
    ArgumentValidationError,
    ConvexError,
    Deployment,
    FunctionNotFoundError,
    InvalidValueError,
    define_schema,
    define_table,
    pagination_opts,
    query,
    v,
)
from convex_nb.deployment.clients.paginated import PaginatedQuery, watch_pages

SCHEMA = define_schema({"cards": define_table({"rank": v.number()}).index("by_rank", ["rank"])})


def ranked(ctx: Any, pagination_opts: Any, least: float = 0) -> Any:
    return ctx.db.query("cards").with_index("by_rank", lambda q: q.gte("rank", least)).paginate(pagination_opts)


@pytest.fixture
def dep() -> Iterator[Deployment]:
    with opened() as deployment:
        yield deployment


def opened(ranks: range = range(0)) -> Deployment:
    deployment = convex_nb.open()
    deployment.push(SCHEMA)
    deployment.register(query("cards:ranked")(ranked))
    add(deployment, *ranks)
    return deployment


def add(dep: Deployment, *ranks: float) -> None:
    dep.transact(lambda db: [db.insert("cards", {"rank": rank}) for rank in ranks])


def whole(dep: Deployment) -> list[Any]:
    return dep.transact(lambda db: db.query("cards").with_index("by_rank").collect())


def remove(dep: Deployment, rank: float) -> None:
    delete(dep, next(card["_id"] for card in whole(dep) if card["rank"] == rank))


def delete(dep: Deployment, id: str) -> None:
    dep.transact(lambda db: db.delete(id))


def move(dep: Deployment, id: str, rank: float) -> None:
    dep.transact(lambda db: db.patch(id, {"rank": rank}))


def ranks(pages: PaginatedQuery) -> list[float]:
    return [card["rank"] for card in pages.results]


def refresh(dep: Deployment, pages: PaginatedQuery) -> bool:
    dep.refresh()
    return pages.advance()


def test_pages_are_loaded_until_there_is_no_more(dep: Deployment) -> None:
    add(dep, *range(25))
    pages = watch_pages(dep, "cards:ranked", num_items=10)
    assert (ranks(pages), pages.status) == ([*range(10)], "CanLoadMore")
    assert pages.load_more(12)
    assert (ranks(pages), pages.status) == ([*range(22)], "CanLoadMore")
    assert pages.load_more()
    assert (ranks(pages), pages.status) == ([*range(25)], "Exhausted")
    assert not pages.load_more()
    assert pages.tables == {"cards"}
    assert len(pages.queries) == 3
    pages.close()
    assert dep.statistics().reactor.watched == 0
    assert len(pages.results) == 25


def test_an_empty_table_is_exhausted_and_follows_what_comes(dep: Deployment) -> None:
    pages = watch_pages(dep, "cards:ranked")
    assert (pages.results, pages.status) == ([], "Exhausted")
    add(dep, 1, 2)
    assert refresh(dep, pages)
    assert (ranks(pages), pages.status) == ([1, 2], "Exhausted")


def test_a_page_grows_and_shrinks_between_its_ends(dep: Deployment) -> None:
    add(dep, *range(0, 60, 2))
    pages = watch_pages(dep, "cards:ranked", num_items=10)
    pages.load_more(10)
    add(dep, 1, 19, 21, 39)
    assert refresh(dep, pages)
    # Rank 39 lies behind the end of the second page.
    assert ranks(pages) == sorted([*range(0, 40, 2), 1, 19, 21])
    for rank in (0, 18, 20, 38):
        remove(dep, rank)
    assert refresh(dep, pages)
    assert ranks(pages) == sorted({*range(0, 40, 2), 1, 19, 21} - {0, 18, 20, 38})
    assert pages.status == "CanLoadMore"


def test_what_did_not_change_stays_the_same_list(dep: Deployment) -> None:
    add(dep, *range(30))
    pages = watch_pages(dep, "cards:ranked", num_items=10)
    before = pages.results
    add(dep, 100)
    assert not refresh(dep, pages)
    assert pages.results is before


def test_until_all_pages_are_of_one_moment_the_last_moment_is_shown(dep: Deployment) -> None:
    add(dep, *range(20))
    stale = []
    pages = watch_pages(dep, "cards:ranked", num_items=5, on_stale=lambda: stale.append(1))
    remove(dep, 2)
    assert stale
    assert pages.stale
    # The second page is there, but the first is older.
    assert pages.load_more(5)
    assert (ranks(pages), pages.status) == ([0, 1, 2, 3, 4], "LoadingMore")
    assert not pages.load_more(5)
    assert refresh(dep, pages)
    assert (ranks(pages), pages.status) == ([0, 1, 3, 4, 5, 6, 7, 8, 9], "CanLoadMore")


def test_a_page_that_has_become_long_is_split_and_nothing_is_lost(dep: Deployment) -> None:
    def capped(ctx: Any, pagination_opts: Any) -> Any:
        return ctx.db.query("cards").with_index("by_rank").paginate({**pagination_opts, "maximumRowsRead": 8})

    dep.register(query("cards:capped")(capped))
    add(dep, *range(0, 400, 100))
    pages = watch_pages(dep, "cards:capped", num_items=5)
    assert pages.status == "Exhausted"
    add(dep, *range(50))
    refresh(dep, pages)
    while pages.stale:
        refresh(dep, pages)
    assert ranks(pages) == sorted([*range(50), *range(0, 400, 100)])
    assert pages.status == "Exhausted"
    assert len(pages.queries) > 6
    assert dep.statistics().reactor.watched == len(pages.queries)


def test_pages_of_one_row_are_split_as_well(dep: Deployment) -> None:
    def one(ctx: Any, pagination_opts: Any) -> Any:
        return ctx.db.query("cards").with_index("by_rank").paginate({**pagination_opts, "maximumRowsRead": 1})

    dep.register(query("cards:one")(one))
    pages = watch_pages(dep, "cards:one", num_items=5)
    add(dep, *range(7))
    refresh(dep, pages)
    assert ranks(pages) == [*range(7)]
    assert pages.status == "Exhausted"


def test_a_function_defined_anew_begins_again(dep: Deployment) -> None:
    add(dep, *range(20))
    pages = watch_pages(dep, "cards:ranked", num_items=4)
    pages.load_more(4)

    @query("cards:ranked")
    def reversed_(ctx: Any, pagination_opts: Any) -> Any:
        return ctx.db.query("cards").with_index("by_rank").order("desc").paginate(pagination_opts)

    dep.register(reversed_)
    assert refresh(dep, pages)
    assert (ranks(pages), pages.status, pages.error) == ([19, 18, 17, 16], "CanLoadMore", None)


def test_an_error_keeps_the_last_results_and_goes_when_the_data_do(dep: Deployment) -> None:
    def careful(ctx: Any, pagination_opts: Any) -> Any:
        page = ctx.db.query("cards").with_index("by_rank").paginate(pagination_opts)
        if any(card["rank"] == 13 for card in page["page"]):
            raise ConvexError("unlucky")
        return page

    dep.register(query("cards:careful")(careful))
    add(dep, 13)
    pages = watch_pages(dep, "cards:careful", num_items=4)
    assert (pages.results, pages.status) == ([], "LoadingFirstPage")
    assert isinstance(pages.error, ConvexError)
    assert not pages.load_more()
    remove(dep, 13)
    add(dep, *range(10))
    assert refresh(dep, pages)
    assert (ranks(pages), pages.status) == ([0, 1, 2, 3], "CanLoadMore")
    assert pages.error is None
    add(dep, 13)
    pages.load_more(20)
    refresh(dep, pages)
    assert (ranks(pages), pages.status) == ([0, 1, 2, 3], "LoadingMore")
    assert isinstance(pages.error, ConvexError)
    assert not refresh(dep, pages), "the same error is no news"
    remove(dep, 13)
    assert refresh(dep, pages)
    assert (ranks(pages), pages.status) == ([*range(10)], "Exhausted")
    assert pages.error is None


def test_the_wires_name_of_the_parameter_is_known_as_well(dep: Deployment) -> None:
    seen = []

    @query("cards:wire", args={"paginationOpts": pagination_opts})
    def wire(ctx: Any, paginationOpts: Any) -> Any:  # noqa: N803
        seen.append(paginationOpts)
        return ctx.db.query("cards").paginate(paginationOpts)

    dep.register(wire)
    assert watch_pages(dep, wire).status == "Exhausted"
    assert watch_pages(dep, "cards:wire").status == "Exhausted"
    assert len({options["id"] for options in seen}) == 2, "one for the pages of each"


def test_what_is_no_paginated_function_is_refused(dep: Deployment) -> None:
    dep.register(query("cards:all")(lambda ctx: ctx.db.query("cards").collect()))
    dep.register(query("cards:odd")(lambda ctx, pagination_opts: 5))
    with pytest.raises(InvalidValueError, match="`cards:all` is not paginated"):
        watch_pages(dep, "cards:all")
    with pytest.raises(FunctionNotFoundError):
        watch_pages(dep, "cards:rank")
    with pytest.raises(ArgumentValidationError):
        watch_pages(dep, "cards:ranked", {"most": 1})
    for size in (0, -1, 1.5, True, "5"):
        with pytest.raises(InvalidValueError, match="whole number of items"):
            watch_pages(dep, "cards:ranked", num_items=size)  # type: ignore[arg-type]
    pages = watch_pages(dep, "cards:odd")
    assert "which is no page" in str(pages.error)
    assert dep.statistics().reactor.watched == 1


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 40)),
        st.tuples(st.just("remove"), st.integers(0, 40)),
        st.tuples(st.just("move"), st.integers(0, 40)),
        st.tuples(st.just("load"), st.integers(1, 6)),
        st.tuples(st.just("refresh"), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=60)
@given(first=st.lists(st.integers(0, 40), max_size=20), steps=STEPS)
def test_pages_are_always_the_beginning_of_the_whole(first: list[int], steps: list[tuple[str, int]]) -> None:
    with opened() as dep:
        add(dep, *first)
        pages = watch_pages(dep, "cards:ranked", num_items=3)
        for step, number in steps:
            cards = whole(dep)
            if step == "add":
                add(dep, number)
            elif step == "remove" and cards:
                delete(dep, cards[number % len(cards)]["_id"])
            elif step == "move" and cards:
                move(dep, cards[number % len(cards)]["_id"], 40 - number)
            elif step == "load":
                pages.load_more(number)
            else:
                refresh(dep, pages)
        refresh(dep, pages)
        expected = whole(dep)
        assert pages.results == expected[: len(pages.results)]
        if pages.status == "Exhausted":
            assert pages.results == expected


def test_threads_may_load_and_refresh_at_once(dep: Deployment) -> None:
    add(dep, *range(0, 200, 2))
    pages = watch_pages(dep, "cards:ranked", num_items=5)
    broken: list[str] = []

    def follow() -> None:
        for _ in range(60):
            refresh(dep, pages)
            found = ranks(pages)
            # Each commit moves one card from one end to the other: it is never seen at both.
            if found != sorted(found) or found.count(0.5) + found.count(90.5) > 1:
                broken.append(str(found))
            pages.load_more(3)

    threads = [threading.Thread(target=follow) for _ in range(3)]
    moved = dep.transact(lambda db: db.insert("cards", {"rank": 0.5}))
    for thread in threads:
        thread.start()
    for _ in range(100):
        for rank in (90.5, 0.5):
            move(dep, moved, rank)
    for thread in threads:
        thread.join()
    refresh(dep, pages)
    assert broken == []
    assert pages.results == whole(dep)[: len(pages.results)]
