"""The pages of a paginated query as one list that grows on demand and follows commits, without a gap or a repeat."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from convex_nb.deployment.definitions import lasting_name
from convex_nb.functions.references import Reference, path_of
from convex_nb.language.describing import describe
from convex_nb.language.errors import InvalidCursorError, InvalidValueError
from convex_nb.language.validators import ObjectValidator

if TYPE_CHECKING:
    from convex_nb.deployment.deployment import Deployment
    from convex_nb.functions.definition import Function
    from convex_nb.functions.live.live_query import LiveQuery
    from convex_nb.functions.registry import Target

PageStatus: TypeAlias = Literal["LoadingFirstPage", "CanLoadMore", "LoadingMore", "Exhausted"]

PAGE_SIZE: Final = 20
OPTIONS: Final = ("pagination_opts", "paginationOpts")
"""How a paginated function names the parameter that takes the page's options."""
_ids: Final = count(1)


class Followed(Protocol):
    """What a page or a view needs of whatever follows it, such as a `LiveQuery`."""

    @property
    def value(self) -> Any: ...
    @property
    def error(self) -> Exception | None: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def duration_ms(self) -> float: ...
    @property
    def tables(self) -> Iterable[str]: ...
    @property
    def stale(self) -> bool: ...
    @property
    def reads_clock(self) -> bool: ...
    def expire(self) -> None: ...
    def close(self) -> None: ...


Follow: TypeAlias = Callable[[dict[str, Any]], Followed]
"""Runs the query with these arguments, and keeps its result current from then on."""


@dataclass(frozen=True, slots=True)
class _Page:
    """The documents behind `cursor`, up to `end`; a page whose first run has failed has no end yet."""

    cursor: str | None
    end: str | None
    query: Followed
    size: int

    @property
    def is_loaded(self) -> bool:
        return self.end is not None and self.query.value is not None


@dataclass(frozen=True, slots=True)
class _State:
    """What is seen from outside, changed as a whole."""

    results: list[Any]
    status: PageStatus
    error: Exception | None


class PaginatedQuery:
    """All loaded pages of one paginated function, each followed on its own.

    The end of a page is pinned when it is loaded: later it grows and shrinks with its documents, and pages stay
    adjacent. `results` are from one moment: while a page waits for its refresh, those of the last moment stay. Whoever
    refreshes the pages calls `advance()` afterwards. Safe for threads.
    """

    def __init__(
        self, follow: Follow, args: Mapping[str, Any], num_items: int = PAGE_SIZE, *, option: str = OPTIONS[0]
    ) -> None:
        check_size(num_items)
        self._follow = follow
        self._args = dict(args)
        self._size = num_items
        self._option = option
        self._lock = threading.RLock()
        self._pages: tuple[_Page, ...] = ()
        self._state = _State([], "LoadingFirstPage", None)
        self._loading = False
        self._waiting = False
        self._closed = False
        self._restart()
        self.advance()

    def __repr__(self) -> str:
        return f"<PaginatedQuery: {len(self.results):,} results, {self.status}>"

    @property
    def results(self) -> list[Any]:
        """The documents of all loaded pages: the same list while nothing has changed, and not to be changed."""
        return self._state.results

    value = results

    @property
    def status(self) -> PageStatus:
        """Whether the first page, or a further one, is on its way, and whether there is more."""
        return "LoadingMore" if self._loading else self._state.status

    @property
    def error(self) -> Exception | None:
        """What a page raises at present; `results` are the last good ones then."""
        return self._state.error

    @property
    def queries(self) -> tuple[Followed, ...]:
        """What follows each page."""
        return tuple([page.query for page in self._pages])

    @property
    def timestamp(self) -> int:
        """The newest commit at which a page has run."""
        return max([query.timestamp for query in self.queries], default=0)

    @property
    def duration_ms(self) -> float:
        """How long the last runs of all pages took together."""
        return sum([query.duration_ms for query in self.queries])

    @property
    def tables(self) -> frozenset[str]:
        """The tables that the pages read."""
        return frozenset().union(*[query.tables for query in self.queries])

    @property
    def stale(self) -> bool:
        """Whether a page waits for its refresh."""
        return any(query.stale for query in self.queries)

    @property
    def waiting(self) -> bool:
        """Whether the newest results are still to be shown: `advance()` after the next refresh, whatever it reports."""
        return self._waiting

    @property
    def reads_clock(self) -> bool:
        """Whether a page looked at the time when it ran last."""
        return any(query.reads_clock for query in self.queries)

    def expire(self) -> None:
        """Have every page run again in the next refresh."""
        for query in self.queries:
            query.expire()

    def load_more(self, num_items: int | None = None) -> bool:
        """Load and follow one more page, of as many documents as the first if it is not said how many.

        Does nothing, and returns False, unless the status is "CanLoadMore". Costs one run of the query.
        """
        size = self._size if num_items is None else num_items
        check_size(size)
        with self._lock:
            if self._closed or self._loading or self._state.status != "CanLoadMore":
                return False
            self._loading = True
            try:
                page = self._open(self._pages[-1].end, size)
            except BaseException:
                self._loading = False
                raise
            self._pages = (*self._pages, page)
            self.advance()
            return True

    def advance(self) -> bool:
        """Take over what the pages say now: pin, split and restart where they ask for it. Whether anything changed."""
        with self._lock:
            if self._closed:
                return False
            if any(isinstance(page.query.error, InvalidCursorError) for page in self._pages if page.cursor or page.end):
                # The function reads another range since it was defined anew: its old cursors mean nothing.
                self._restart()
            self._pages = tuple([part for page in self._pages for part in self._arranged(page)])
            return self._compose()

    def close(self) -> None:
        """Follow no longer. The last results stay."""
        with self._lock:
            self._closed = True
            for page in self._pages:
                page.query.close()

    # -- pages

    def _restart(self) -> None:
        self._id = next(_ids)
        former, self._pages = self._pages, (self._open(None, self._size),)
        for page in former:
            page.query.close()

    def _open(self, cursor: str | None, size: int) -> _Page:
        page = _Page(cursor, None, self._run(cursor, None, size), size)
        return self._pinned(page)

    def _run(self, cursor: str | None, end: str | None, size: int) -> Followed:
        options: dict[str, Any] = {"numItems": size, "cursor": cursor, "id": self._id}
        if end is not None:
            options["endCursor"] = end
        return self._follow({**self._args, self._option: options})

    def _pinned(self, page: _Page) -> _Page:
        """The page with its end settled, once its first run has been good."""
        query = page.query
        if page.end is not None or query.error is not None or not _is_page(query.value):
            return page
        end: str = query.value["continueCursor"]
        pinned = _Page(page.cursor, end, self._run(page.cursor, end, page.size), page.size)
        query.close()
        return pinned

    def _arranged(self, page: _Page) -> list[_Page]:
        """The page, or the two that take its place because it has become too long."""
        page = self._pinned(page)
        value = page.query.value
        if page.end is None or page.query.error is not None or not value.get("pageStatus"):
            return [page]
        # A page that was cut short goes on where it was cut.
        middle = value.get("splitCursor") or value["continueCursor"]
        if middle == page.end:
            return [page]
        bounds = ((page.cursor, middle), (middle, page.end))
        halves = [_Page(start, end, self._run(start, end, page.size), page.size) for start, end in bounds]
        if any(half.query.error is not None for half in halves):
            for half in halves:
                half.query.close()
            return [page]
        page.query.close()
        return [part for half in halves for part in self._arranged(half)]

    # -- what is seen

    def _compose(self) -> bool:
        """Make the pages one state, if they are all of one moment; whether it differs from the last."""
        old, pages = self._state, self._pages
        values = [page.query.value for page in pages]
        error = next((error for page in pages if (error := _problem(page)) is not None), None)
        # A commit may have come in between; the refresh that it asks for brings all pages to one moment.
        self._waiting = self.stale or any(
            page.query.value is not value for page, value in zip(pages, values, strict=True)
        )
        if self._waiting:
            return False
        results, status = old.results, old.status
        if error is None:
            results = [document for value in values for document in value["page"]]
            status = "Exhausted" if values[-1]["isDone"] else "CanLoadMore"
            if len(results) == len(old.results) and all(a is b for a, b in zip(results, old.results, strict=True)):
                results = old.results
        elif not pages[0].is_loaded:
            results, status = [], "LoadingFirstPage"
        elif not pages[-1].is_loaded:
            status = "LoadingMore"
        self._state, self._loading = _State(results, status, error), False
        return results is not old.results or status != old.status or not _is_same(error, old.error)


def watch_pages(
    deployment: Deployment,
    function: Target,
    args: Mapping[str, Any] | None = None,
    num_items: int = PAGE_SIZE,
    on_stale: Callable[[], object] = lambda: None,
) -> PaginatedQuery:
    """Load the first page of a paginated query, and watch it: after each `deployment.refresh()`, call `advance()`.

    Raises what `deployment.watch` raises, and `InvalidValueError` for a function that is not paginated.
    """
    path = path_of(function) if isinstance(function, Reference) else function
    definition = deployment.functions.get(path) if isinstance(path, str) else path
    option = OPTIONS[0] if definition is None else option_of(definition)

    def follow(given: dict[str, Any]) -> LiveQuery:
        nonlocal function
        query = deployment.watch(function, given, on_stale)
        function = lasting_name(deployment, function)
        return query

    return PaginatedQuery(follow, args or {}, num_items, option=option)


def option_of(function: Function) -> str:
    """Return the name of the parameter by which a paginated function takes the options of its page.

    Raises `InvalidValueError` for a function that has none.
    """
    if not isinstance(function.args, ObjectValidator):
        return OPTIONS[0]
    for name in OPTIONS:
        if name in function.args.fields:
            return name
    raise InvalidValueError(
        f"`{function.path or function.__name__}` is not paginated. Give it a parameter `pagination_opts`, and return "
        "`ctx.db.query(...).paginate(pagination_opts)`."
    )


def check_size(num_items: Any) -> None:
    """Raise `InvalidValueError` unless it is a number of documents that a page can have."""
    if isinstance(num_items, bool) or not isinstance(num_items, int) or num_items < 1:
        raise InvalidValueError(f"A page has a whole number of items, at least 1, not {num_items!r}.", value=num_items)


def _problem(page: _Page) -> Exception | None:
    query = page.query
    if query.error is not None or page.end is not None:
        return query.error
    return InvalidValueError(
        f"The function returned {describe(query.value, 80)}, which is no page. Return "
        "`ctx.db.query(...).paginate(pagination_opts)`, or a dict with the same entries.",
        value=query.value,
    )


def _is_same(a: Exception | None, b: Exception | None) -> bool:
    return type(a) is type(b) and str(a) == str(b)


def _is_page(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("page"), list) and "continueCursor" in value
