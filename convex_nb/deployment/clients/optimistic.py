"""Optimistic updates: what they see and change, and the usual changes of paginated queries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from convex_nb.deployment.clients.paginated import OPTIONS
from convex_nb.functions.definition import merge_arguments
from convex_nb.language.errors import InvalidValueError
from convex_nb.language.ordering import compare_values, same_value
from convex_nb.language.values import UNDEFINED, copy_value, to_value

if TYPE_CHECKING:
    from convex_nb.deployment.clients.client_queries import ClientQueries
    from convex_nb.deployment.clients.client_query import QueryKey
    from convex_nb.functions.registry import Target

OptimisticUpdate: TypeAlias = Callable[["OptimisticStore", dict[str, Any]], object]
"""Gets the results of the client's queries and the arguments of the mutation, and changes the results."""
Page: TypeAlias = dict[str, Any]


class Pending:
    """The optimistic update of a mutation that has been asked for, until its effect is in what the client sees."""

    __slots__ = ("args", "committed_at", "is_committing", "update")

    def __init__(self, update: OptimisticUpdate | None, args: dict[str, Any]) -> None:
        self.update = update
        self.args = args
        # From the end of its handler until it is known when it was committed: results may show its effect already.
        self.is_committing = False
        self.committed_at: int | None = None


class OptimisticStore:
    """The results of a client's queries, as an optimistic update finds and changes them.

    Only queries that the client follows at present are shown to anybody. What is read is the update's own copy.
    """

    def __init__(self, queries: ClientQueries) -> None:
        self._queries = queries
        self.changed: dict[QueryKey, Any] = {}

    def get_query(self, function: Target, args: Mapping[str, Any] | None = None, /, **kwargs: Any) -> Any:
        """The present result of a query; `UNDEFINED` if it is not loaded, or fails."""
        return self._present(self._queries.key_of(function, merge_arguments("get_query", args, kwargs)))

    def set_query(self, function: Target, args: Mapping[str, Any] | None, value: Any, /) -> None:
        """Let a query have this result; `UNDEFINED` for one that is loading. Raises `InvalidValueError`."""
        key = self._queries.key_of(function, args)
        self.changed[key] = value if value is UNDEFINED else to_value(value)

    def get_all_queries(self, function: Target, /) -> list[dict[str, Any]]:
        """Every followed query of this function: `{"args": ..., "value": ...}`."""
        return [
            {"args": copy_value(query.args), "value": self._present(query.key)}
            for query in self._queries.all_of(function)
        ]

    def _present(self, key: QueryKey) -> Any:
        if key in self.changed:
            return copy_value(self.changed[key])
        query = self._queries.get(key)
        return UNDEFINED if query is None else copy_value(query.loaded)


def insert_at_top(
    store: OptimisticStore, paginated_query: Target, item: Any, args_to_match: Mapping[str, Any] | None = None
) -> None:
    """Put an item before all others of a paginated query, in an optimistic update.

    Of several with different arguments, those whose arguments have the ones of `args_to_match`.
    """
    for pages in _paginated(store, paginated_query, args_to_match):
        if pages[0][1] is not UNDEFINED and pages[0][0]["cursor"] is None:
            pages[0][2]([item, *pages[0][1]["page"]])


def insert_at_bottom_if_loaded(
    store: OptimisticStore, paginated_query: Target, item: Any, args_to_match: Mapping[str, Any] | None = None
) -> None:
    """Put an item after all others of a paginated query, if its last page is loaded."""
    for pages in _paginated(store, paginated_query, args_to_match):
        _, last, put = pages[-1]
        if last is not UNDEFINED and last["isDone"]:
            put([*last["page"], item])


def insert_at_position(
    store: OptimisticStore,
    paginated_query: Target,
    item: Any,
    sort_order: Literal["asc", "desc"],
    sort_key_from_item: Callable[[Any], Any],
    args_to_match: Mapping[str, Any] | None = None,
) -> None:
    """Put an item where its sort key belongs, if that is within what is loaded.

    `sort_key_from_item` returns what the query is sorted by: a value, or a list of values of several fields.
    """
    if sort_order not in ("asc", "desc"):
        raise InvalidValueError(f'sort_order is "asc" or "desc", not {sort_order!r}.', value=sort_order)
    sign = 1 if sort_order == "asc" else -1
    key = to_value(sort_key_from_item(item))
    for pages in _paginated(store, paginated_query, args_to_match):
        loaded = [(options, page, put) for options, page, put in pages if page is not UNDEFINED]
        for _, page, put in loaded:
            items = page["page"]
            after = (
                place
                for place, other in enumerate(items)
                if sign * compare_values(to_value(sort_key_from_item(other)), key) > 0
            )
            place = next(after, None)
            if place is not None:
                put([*items[:place], item, *items[place:]])
                break
        else:
            if loaded and loaded[-1][1]["isDone"]:
                loaded[-1][2]([*loaded[-1][1]["page"], item])


_PageOf: TypeAlias = tuple[dict[str, Any], Any, Callable[[list[Any]], None]]
"""The options of a page, its result, and what gives it other items."""


def _paginated(
    store: OptimisticStore, function: Target, args_to_match: Mapping[str, Any] | None
) -> list[list[_PageOf]]:
    """The loaded paginated queries of a function, each as its pages in order."""
    wanted = to_value(dict(args_to_match or {}))
    assert isinstance(wanted, dict)
    found: dict[Any, list[_PageOf]] = {}
    for query in store.get_all_queries(function):
        args, value = query["args"], query["value"]
        option = next((name for name in OPTIONS if isinstance(args.get(name), dict)), None)
        if option is None or not all(name in args and same_value(args[name], wanted[name]) for name in wanted):
            continue

        def put(items: list[Any], args: dict[str, Any] = args, value: Any = value) -> None:
            store.set_query(function, args, {**value, "page": items})

        found.setdefault(args[option].get("id"), []).append((args[option], value, put))
    return [_in_order(pages) for pages in found.values()]


def _in_order(pages: list[_PageOf]) -> list[_PageOf]:
    """Pages one after the other: each begins where the one before it ends."""
    following = {options["cursor"]: (options, value, put) for options, value, put in pages}
    ordered: list[_PageOf] = []
    cursor = None
    while cursor in following:
        page = following.pop(cursor)
        ordered.append(page)
        cursor = page[0].get("endCursor")
    return ordered or pages
