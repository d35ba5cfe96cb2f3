"""A search as a user writes it: `q.search(field, text).eq(field, value)`, checked and taken apart into terms."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from convex_nb.engine.indexes.index_range import compared_key
from convex_nb.engine.search.declared import declared_index
from convex_nb.engine.search.keyspace import TermKeyspace
from convex_nb.engine.search.tokens import terms_of
from convex_nb.language.errors import LimitError, SearchError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from convex_nb.engine.read_set import Interval
    from convex_nb.engine.table import TableState
    from convex_nb.language.limits import Limits
    from convex_nb.language.schema import SearchIndexDefinition


class TextFilter:
    """A search and its equalities: `q.search(field, text).eq(field, value)`."""

    __slots__ = ("equalities", "field", "text")

    def __init__(self, field: str, text: str, equalities: tuple[tuple[str, Any], ...] = ()) -> None:
        self.field = field
        self.text = text
        self.equalities = equalities

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "search":
                raise SearchError("A search has one q.search(field, text): put all words into one text.")
            raise AttributeError(
                f"A search has no {name!r}: after q.search(field, text) comes .eq(field, value) only. Other conditions "
                "go into .filter(lambda q: ...) of the query.",
                name=name,
                obj=self,
            )

    def __repr__(self) -> str:
        return f"q.search({self.field!r}, {self.text!r})" + "".join(
            [f".eq({field!r}, {value!r})" for field, value in self.equalities]
        )

    def eq(self, field: str, value: Any) -> TextFilter:
        """A filter field equals ``value``; ``UNDEFINED`` for documents that lack it."""
        if not isinstance(field, str):
            raise SearchError(f"The first argument of q.eq is the name of a filter field, got {field!r}.")
        return TextFilter(self.field, self.text, (*self.equalities, (field, value)))


class TextFilterBuilder:
    """The `q` of `with_search_index`: it begins with `search`."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "eq":
                raise SearchError("A search begins with q.search(field, text); .eq(field, value) follows it.")
            raise AttributeError(
                f"A search has no {name!r}: it begins with q.search(field, text).", name=name, obj=self
            )

    def search(self, field: str, text: str) -> TextFilter:
        """Find documents that have one of the words of ``text``, the last of which may be the beginning of one."""
        if not isinstance(text, str):
            raise SearchError(f"q.search({field!r}, ...) takes the text to look for, got {text!r}.", field=field)
        return TextFilter(field, text)


TextFunction = Callable[[TextFilterBuilder], TextFilter]


class TextSearch(NamedTuple):
    """What is looked for in which index."""

    table: str
    definition: SearchIndexDefinition
    terms: tuple[str, ...]
    """The words in the order in which they were written; documents need one of them. The last one is a prefix."""
    filters: tuple[tuple[str, Any, bytes], ...]
    """Filter fields, the values that they must have, and these as keys."""
    written: TextFilter

    def intervals(self) -> Iterator[Interval]:
        """Everything that the search depends on."""
        from convex_nb.engine.read_set import Interval

        keyspace = TermKeyspace(
            self.definition.name, self.definition.search_field, {field for field, _, _ in self.filters}
        )
        keys: Mapping[str, bytes] = {field: key for field, _, key in self.filters}
        if all(keys[field] == key for field, _, key in self.filters):
            for number, term in enumerate(self.terms, 1):
                yield Interval(self.table, keyspace, *keyspace.interval(term, keys, prefix=number == len(self.terms)))


def text_search(state: TableState, name: str, function: TextFunction, limits: Limits) -> TextSearch:
    """The search that ``function`` describes. Raises ``SearchError``, ``IndexNotFoundError`` and ``LimitError``."""
    index = search_index(state, name)
    where = f"{state.name}.{name}"
    if not callable(function):
        raise SearchError(
            f"with_search_index({name!r}, ...) takes a function of the search, like "
            f"`lambda q: q.search({index.search_field!r}, text)`; got {function!r}.",
            table=state.name,
            index=name,
        )
    written = function(TextFilterBuilder())
    if isinstance(written, TextFilterBuilder):
        raise SearchError(
            f"The search of {where} does not contain any search filters: begin with "
            f"q.search({index.search_field!r}, text).",
            table=state.name,
            index=name,
        )
    if not isinstance(written, TextFilter):
        raise SearchError(
            f"The function given for {where} returned {written!r} and not the search: end it with q.search(...) or "
            ".eq(...).",
            table=state.name,
            index=name,
        )
    if written.field != index.search_field:
        raise SearchError(
            f"IncorrectSearchField: {where} searches the field {index.search_field!r}, not {written.field!r}.",
            table=state.name,
            index=name,
            field=written.field,
        )
    return TextSearch(
        state.name, index, _terms(written.text, where, limits), _filters(written, index, where, limits), written
    )


def search_index(state: TableState, name: str) -> SearchIndexDefinition:
    """A text search index of a table. Raises ``IndexNotFoundError``."""
    definitions = () if state.definition is None else state.definition.search_indexes
    return declared_index(definitions, state.name, name, "search_index")


def _terms(text: str, where: str, limits: Limits) -> tuple[str, ...]:
    terms = terms_of(text)
    if len(terms) > limits.search_terms:
        warnings.warn(
            f"A search of {where} has {len(terms)} words; it looks for the first {limits.search_terms} of them.",
            stacklevel=4,
        )
    return tuple(terms[: limits.search_terms])


def _filters(
    written: TextFilter, index: SearchIndexDefinition, where: str, limits: Limits
) -> tuple[tuple[str, Any, bytes], ...]:
    if len(written.equalities) > limits.search_filters:
        raise LimitError(
            f"The search of {where} has too many filter conditions. Max: {limits.search_filters} "
            f"Actual: {len(written.equalities)}. Nothing was read. Put some of them into .filter(...).",
            kind="search_filters",
            limit=limits.search_filters,
            used=len(written.equalities),
        )
    return tuple(
        [(field, value, filter_key(where, index.filter_fields, field, value)) for field, value in written.equalities]
    )


def filter_key(where: str, filter_fields: tuple[str, ...], field: str, value: Any) -> bytes:
    """The key of a value that a filter field must have. Raises ``SearchError`` and ``InvalidValueError``."""
    if field not in filter_fields:
        known = ", ".join(map(repr, filter_fields)) or "none"
        table, _, index = where.partition(".")
        raise SearchError(
            f"The field {field!r} isn't indexed for filtering in `filter_fields` of {where}; they are: {known}. "
            "Declare it there, or use .filter(...) where there is one.",
            table=table,
            index=index,
            field=field,
        )
    return compared_key("search", where, field, value)
