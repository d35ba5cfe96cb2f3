"""Texts that are found by what they mean, so that a language model can read them: retrieval-augmented generation."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypedDict

from convex_nb import InvalidValueError, components, define_component, define_schema, define_table, encode_key, v
from convex_nb.stock.chunks import chunks_of
from convex_nb.stock.fingerprint import fingerprint
from convex_nb.stock.place import place
from convex_nb.stock.retrieval import Embed, embedded, fused, index_of, with_vector_indexes, words_of

if TYPE_CHECKING:
    from convex_nb import ActionCtx, Document, MutationCtx, QueryCtx

_MOST: Final = 256
"""How many chunks a search by vectors looks at."""

_NULL_OR_STRING = v.union(v.null(), v.string())
_ENTRY = {
    "namespace": v.string(),
    "key": _NULL_OR_STRING,
    "title": _NULL_OR_STRING,
    "metadata": v.any(),
    "importance": v.number(),
    "content": v.bytes(),
}
_chunks = define_table(
    {
        "namespace": v.string(),
        "entry": v.id("entries"),
        "number": v.number(),
        "text": v.string(),
        "vector": v.array(v.float64()),
    }
)
_component = define_component(
    "rag",
    define_schema(
        {
            "entries": define_table(_ENTRY).index("by_key", ["namespace", "key"]),
            "chunks": with_vector_indexes(_chunks, ["namespace"])
            .index("by_entry", ["entry", "number"])
            .search_index("search_text", search_field="text", filter_fields=["namespace"]),
        }
    ),
)


class Entry(TypedDict):
    """A text that was added: under which key, what it is called, and what else is known of it."""

    _id: str
    _creationTime: float
    namespace: str
    key: str | None
    title: str | None
    metadata: Any
    importance: float


class Found(TypedDict):
    """A passage that was found: its text, and the first and last of the chunks of its entry that it has."""

    entry: Entry
    text: str
    start: int
    end: int


class Results(TypedDict):
    """What a search found, best first, and as one `text` for a model to read."""

    text: str
    results: list[Found]


class Page(TypedDict):
    """A page of entries, as `paginate` returns it."""

    page: list[Entry]
    isDone: bool
    continueCursor: str


Text: TypeAlias = str | Sequence[str]


class Rag:
    """Texts in namespaces, divided into chunks, each of which is found by the vector that `embed` makes of it.

    `embed(texts)` returns a vector for each text of a list; it is any function, and may be `async`.
    """

    definition: Final = _component
    """What to install: `dep.push(components=[Rag.definition])`."""

    def __init__(
        self, component: Any = components.rag, *, embed: Embed, chunk_size: int = 1000, model: str | None = None
    ) -> None:
        """A text is divided into chunks of at most `chunk_size` characters: between its paragraphs, if it can be.

        `model` is which one `embed` asks: vectors of another one are replaced when their text is added again. Unless
        it is given, other code of `embed` is another model.
        """
        is_named = model is None or isinstance(model, str)
        if not callable(embed) or type(chunk_size) is not int or chunk_size < 1 or not is_named:
            raise InvalidValueError(
                "`Rag` takes `embed=`, a function of a list of texts, a `chunk_size` of one character or more, and the "
                f"name of a `model`, or none, not {embed!r}, {chunk_size!r} and {model!r}. It was not made.",
                value=embed,
            )
        self._component = place(component, "Rag", components.rag)
        self._embed = embed
        self._chunk_size = chunk_size
        self._model = _code_of(embed) if model is None else model

    def __repr__(self) -> str:
        return f"Rag({self._component!r})"

    def add(
        self,
        ctx: ActionCtx,
        namespace: str,
        text: Text,
        *,
        key: str | None = None,
        title: str | None = None,
        metadata: Any = None,
        importance: float = 1,
    ) -> str:
        """Add a text, or a list of chunks, in place of the one that has this key; return the entry's id.

        The old one is found until the new one is, in one commit. Where both are the same, and so is the model, nothing
        is done. Of two that are as near, the one of greater `importance`, from 0 to 1, is found first. For actions.
        """
        given = list(text) if isinstance(text, Iterable) and not isinstance(text, str) else [text]
        if not all(isinstance(each, str) for each in given):
            raise InvalidValueError(
                f"A text is a string, or a list of strings, not {text!r}. It was not added.", value=text
            )
        chunks = chunks_of(text, self._chunk_size) if isinstance(text, str) else given
        is_number = isinstance(importance, int | float) and not isinstance(importance, bool)
        if not is_number or not 0 <= importance <= 1:
            raise InvalidValueError(
                f"An importance is a number from 0 to 1, not {importance!r}. The text was not added.", value=importance
            )
        entry = {"namespace": namespace, "key": key, "title": title, "metadata": metadata, "importance": importance}
        content = encode_key([chunks, title, metadata, importance, self._model])
        entry["content"] = blake2b(content, digest_size=32).digest()
        same: str | None = ctx.run_query(self._component.same, entry)
        if same is not None:
            return same
        vectors = embedded(self._embed, chunks) if chunks else []
        id: str = ctx.run_mutation(self._component.put, entry=entry, chunks=chunks, vectors=vectors)
        return id

    def search(
        self,
        ctx: ActionCtx,
        namespace: str,
        query: str,
        *,
        limit: int = 10,
        text_search: bool = False,
        least_score: float = -1,
        before: int = 0,
        after: int = 0,
    ) -> Results:
        """The chunks nearest to a query, at most so many, with some of their entry before and after each. For actions.

        Near is the cosine of the angle, of at least `least_score`, times the importance; with `text_search`, also the
        words that they share.
        """
        for option, number, least in (("limit", limit, 1), ("before", before, 0), ("after", after, 0)):
            if type(number) is not int or number < least:
                raise InvalidValueError(
                    f"The `{option}` of a search is a whole number of {least} or more, not {number!r}. Nothing was "
                    "searched.",
                    value=number,
                )
        how = {"namespace": namespace, "limit": limit, "least_score": least_score, "before": before, "after": after}
        words = words_of(query) if text_search else ""
        vector = embedded(self._embed, [query])[0]
        results: list[Found] = ctx.run_query(self._component.search, how, vector=vector, words=words)
        return {"text": "\n\n---\n\n".join(map(_shown, results)), "results": results}

    def get(self, ctx: QueryCtx | ActionCtx, namespace: str, key: str) -> Entry | None:
        """The entry of a key, or `None`."""
        found: Entry | None = ctx.run_query(self._component.get, namespace=namespace, key=key)
        return found

    def list_entries(
        self, ctx: QueryCtx | ActionCtx, namespace: str, *, num_items: int = 20, cursor: str | None = None
    ) -> Page:
        """A page of the entries of a namespace, by their keys."""
        options = {"numItems": num_items, "cursor": cursor}
        found: Page = ctx.run_query(self._component.list_entries, namespace=namespace, options=options)
        return found

    def delete(self, ctx: MutationCtx | ActionCtx, entry: str) -> bool:
        """Delete an entry with its chunks; whether it was there."""
        was_there: bool = ctx.run_mutation(self._component.delete, entry=entry)
        return was_there


def _code_of(embed: Embed) -> str | None:
    # Of what is no function, such as a `partial`, nothing is known: some have whatever attribute they are asked for.
    return fingerprint(embed) if inspect.isfunction(embed) or inspect.ismethod(embed) else None


def _shown(found: Found) -> str:
    title = found["entry"]["title"]
    return found["text"] if title is None else f"# {title}\n\n{found['text']}"


@_component.query(args=_ENTRY, returns=_NULL_OR_STRING)
def same(ctx: QueryCtx, **entry: Any) -> str | None:
    found = _of_key(ctx, entry["namespace"], entry["key"])
    return found["_id"] if found is not None and found["content"] == entry["content"] else None


@_component.mutation(
    args={"entry": v.object(_ENTRY), "chunks": v.array(v.string()), "vectors": v.array(v.any())}, returns=v.string()
)
def put(ctx: MutationCtx, entry: dict[str, Any], chunks: list[str], vectors: list[list[float]]) -> str:
    found = _of_key(ctx, entry["namespace"], entry["key"])
    if found is not None:
        _delete(ctx, found)
    id = ctx.db.insert("entries", entry)
    for number, (text, vector) in enumerate(zip(chunks, vectors, strict=True)):
        fields = {"namespace": entry["namespace"], "entry": id, "number": number, "text": text, "vector": vector}
        ctx.db.insert("chunks", fields)
    return id


@_component.query(
    args={
        "namespace": v.string(),
        "vector": v.array(v.float64()),
        "words": v.string(),
        "limit": v.number(),
        "least_score": v.number(),
        "before": v.number(),
        "after": v.number(),
    }
)
def search(
    ctx: QueryCtx,
    namespace: str,
    vector: list[float],
    words: str,
    limit: int,
    least_score: float,
    before: int,
    after: int,
) -> Any:
    rankings = [_by_vector(ctx, namespace, vector, min(4 * limit, _MOST), least_score)]
    if words:
        found = ctx.db.query("chunks").with_search_index(
            "search_text", lambda q: q.search("text", words).eq("namespace", namespace)
        )
        rankings.append([chunk["_id"] for chunk in found.take(4 * limit)])
    best = [ctx.db.get(id) for id in fused(rankings)[:limit]]
    return [_passage(ctx, entry, start, end) for entry, start, end in _ranges(best, before, after)]


@_component.query
def get(ctx: QueryCtx, namespace: str, key: str) -> Any:
    found = _of_key(ctx, namespace, key)
    return None if found is None else _public(found)


@_component.query(args={"namespace": v.string(), "options": v.any()})
def list_entries(ctx: QueryCtx, namespace: str, options: Any) -> Any:
    page = ctx.db.query("entries").with_index("by_key", namespace=namespace).paginate(options)
    return {**page, "page": [_public(entry) for entry in page["page"]]}


@_component.mutation(args={"entry": v.id("entries")}, returns=v.boolean())
def delete(ctx: MutationCtx, entry: str) -> bool:
    found = ctx.db.get(entry)
    if found is not None:
        _delete(ctx, found)
    return found is not None


def _of_key(ctx: QueryCtx, namespace: str, key: str | None) -> Document | None:
    if key is None:
        return None
    return ctx.db.query("entries").with_index("by_key", namespace=namespace, key=key).unique()


def _delete(ctx: MutationCtx, entry: Document) -> None:
    for chunk in ctx.db.query("chunks").with_index("by_entry", entry=entry["_id"]).collect():
        ctx.db.delete(chunk["_id"])
    ctx.db.delete(entry["_id"])


def _public(entry: Document) -> dict[str, Any]:
    return {field: value for field, value in entry.items() if field != "content"}


def _by_vector(ctx: QueryCtx, namespace: str, vector: list[float], most: int, least_score: float) -> list[str]:
    matches = ctx.db.vector_search(
        "chunks", index_of(vector), vector=vector, limit=most, filter=lambda q: q.eq("namespace", namespace)
    )
    scores: dict[str, float] = {}
    for match in matches:
        chunk = ctx.db.get(match["_id"])
        entry = chunk and ctx.db.get(chunk["entry"])
        if entry and match["_score"] >= least_score:
            # What is of no importance is no better for being far away.
            scores[str(match["_id"])] = max(match["_score"], 0.0) * entry["importance"]
    return sorted(scores, key=lambda id: (-scores[id], id))


def _ranges(best: Sequence[Any], before: int, after: int) -> Iterator[tuple[str, int, int]]:
    """The places of chunks and of their neighbours, best first: those that meet are one passage."""
    wanted: dict[str, set[int]] = {}
    for chunk in best:
        numbers = range(int(chunk["number"]) - before, int(chunk["number"]) + after + 1)
        wanted.setdefault(chunk["entry"], set()).update(numbers)
    for chunk in best:
        left, start = wanted[chunk["entry"]], int(chunk["number"])
        if start not in left:
            continue
        end = start
        while start - 1 in left:
            start -= 1
        while end + 1 in left:
            end += 1
        left.difference_update(range(start, end + 1))
        yield chunk["entry"], start, end


def _passage(ctx: QueryCtx, entry: str, start: int, end: int) -> dict[str, Any]:
    chunks = ctx.db.query("chunks").with_index(
        "by_entry", lambda q: q.eq("entry", entry).gte("number", start).lte("number", end)
    )
    found = chunks.collect()
    text = "\n\n".join(chunk["text"] for chunk in found)
    public = _public(ctx.db.get(entry))  # type: ignore[arg-type]
    return {"entry": public, "text": text, "start": found[0]["number"], "end": found[-1]["number"]}
