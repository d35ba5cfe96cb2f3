"""A live view, with a query and a browser that the test plays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import duckdb
import polars
import pyarrow
import pytest

from convex_nb.language.documents import Document
from convex_nb.language.values import Id, Int64
from convex_nb.views.columns import cells_of
from convex_nb.views.live_view import LiveView
from convex_nb.views.window import kind_of


class Query:
    """A live query whose value the test sets."""

    tables = frozenset({"messages"})
    duration_ms = 1.25
    stale = False
    reads_clock = False

    def __init__(self, source: Source, args: Mapping[str, Any]) -> None:
        self.source = source
        self.args = args
        self.closed = False

    @property
    def value(self) -> Any:
        return self.source.value

    @property
    def error(self) -> Exception | None:
        return self.source.error

    @property
    def timestamp(self) -> int:
        return self.source.timestamp

    def expire(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Source:
    """A deployment of one query."""

    def __init__(self, value: Any = ()) -> None:
        self.value = list(value) if isinstance(value, tuple) else value
        self.error: Exception | None = None
        self.timestamp = 1_700_000_000_000_000_000
        self.queries: list[Query] = []

    def watch(self, args: Mapping[str, Any]) -> Query:
        self.queries.append(Query(self, args))
        return self.queries[-1]

    def set(self, view: LiveView, value: Any) -> None:
        self.value = value
        self.timestamp += 1
        view.absorb()


class Shown(LiveView):
    """A view that keeps what it sends."""

    def __init__(self, source: Source, args: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.sent: list[Any] = []
        self.buffers: list[bytes] = []
        super().__init__("messages:recent", source.watch, args, **options)

    def send(self, content: Any, buffers: Any = None) -> None:
        self.sent += [update for _, update in content["of"]] if content["type"] == "updates" else [content]
        self.buffers.extend(buffers or ())

    def says(self, kind: str, **rest: Any) -> None:
        self._from_browser({"type": kind, "tab": "tab", **rest})


def message(number: int, **fields: Any) -> Document:
    system = {"_creationTime": 1.0 * number, "_id": Id(f"id{number}", "messages")}
    return Document({"body": f"message {number}", **fields, **system})


@pytest.fixture
def views() -> Iterator[list[LiveView]]:
    made: list[LiveView] = []
    yield made
    for view in made:
        view.close()


def opened(views: list[LiveView], source: Source, args: Mapping[str, Any] | None = None) -> Shown:
    view = Shown(source, args or {})
    views.append(view)
    return view


def looked_at(view: Shown) -> None:
    view.says("hello", sequence=view.whole()["sequence"])


def drawn(view: Shown) -> None:
    view.says("drawn", of=[[view.mark, view.sent[-1]["sequence"]]])


def test_a_new_view_has_its_first_page_in_its_state(views: list[LiveView]) -> None:
    view = opened(views, Source((message(1), message(2))), {"author": "Ada"})
    whole = view.get_state()["snapshot"]
    assert whole["base"] is None
    assert [key for key, _ in whole["page"]] == ["id1", "id2"]
    assert whole["head"]["arguments"] == [("author", '"Ada"')]
    assert whole["head"]["state"] == "live"
    assert (view.status, view.error, len(view.value)) == ("ok", None, 2)


def test_a_commit_sends_a_delta(views: list[LiveView]) -> None:
    source = Source(tuple(message(number) for number in range(10)))
    view = opened(views, source)
    looked_at(view)
    source.set(view, [*source.value, message(99)])
    (update,) = view.sent
    assert update["delta"]["insert"][0][:2] == (10, "id99")
    assert update["head"] == {"rows": 11, "total": 11, "timestamp": str(source.timestamp)}


def test_a_large_result_sends_one_page(views: list[LiveView]) -> None:
    source = Source([message(number) for number in range(100_000)])
    view = opened(views, source)
    looked_at(view)
    source.set(view, [message(-1), *source.value])
    (update,) = view.sent
    assert len(update["delta"]["insert"]) == 1
    assert update["head"]["rows"] == 100_001
    assert len(view.whole()["page"]) == 50


def test_documents_that_stayed_the_same_object_are_not_looked_at_again(
    views: list[LiveView], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Source(tuple(message(number) for number in range(50)))
    view = opened(views, source)
    view.whole()
    looked: list[Any] = []

    def look(row: Any, columns: Any) -> Any:
        looked.append(row)
        return cells_of(row, columns)

    monkeypatch.setattr("convex_nb.views.contents.cells_of", look)
    source.set(view, [message(-1), *source.value])
    view.whole()
    assert [row["_id"] for row in looked] == ["id-1"]


def test_observers_follow_value_and_status(views: list[LiveView]) -> None:
    source = Source([message(1)])
    view = opened(views, source)
    seen: list[tuple[str, Any]] = []
    view.observe(lambda change: seen.append((change["name"], change["new"])), ["value", "status", "error"])
    source.set(view, [message(2)])
    source.error = ValueError("boom")
    view.absorb()
    assert [name for name, _ in seen] == ["value", "status", "error"]
    assert seen[0][1] == source.value
    assert view.status == "error"


def test_what_a_view_hands_out_may_be_changed(views: list[LiveView]) -> None:
    source = Source([message(1)])
    view = opened(views, source)
    view.value.clear()
    view.observe(lambda change: change["new"].clear(), "value")
    source.set(view, [message(1), message(2)])
    assert len(view.value) == len(source.value) == 2


def test_an_error_keeps_the_last_good_rows(views: list[LiveView]) -> None:
    source = Source([message(1)])
    view = opened(views, source)
    looked_at(view)
    source.error = ValueError("boom")
    view.absorb()
    (update,) = view.sent
    assert update["head"]["state"] == "error"
    assert update["head"]["problem"]["message"] == "ValueError: boom"
    assert "page" not in update
    assert "delta" not in update
    assert len(view.value) == 1
    source.error = None
    drawn(view)
    source.set(view, [message(1), message(2)])
    assert (view.status, view.error) == ("ok", None)
    assert view.sent[-1]["head"]["problem"] is None


def test_the_latest_arguments_win_whichever_answer_comes_first(views: list[LiveView]) -> None:
    source = Source([message(1)])
    view = opened(views, source)
    slow: list[Query] = []

    def watch_slowly(args: Mapping[str, Any]) -> Query:
        if args["n"] == 1:
            view.ask({"n": 2})  # a newer value comes while this one is being asked for
            slow.append(Query(source, args))
            return slow[0]
        return Query(source, args)

    view.ask({"n": 0}, watch_slowly)
    view.ask({"n": 1})
    assert view.arguments == {"n": 2}
    assert slow[0].closed


def test_a_refused_query_leaves_the_view_as_it_was(views: list[LiveView]) -> None:
    source = Source([message(1)])
    view = opened(views, source)

    def refuse(args: Mapping[str, Any]) -> Query:
        raise LookupError("no such function")

    with pytest.raises(LookupError):
        view.ask({}, refuse)
    assert view.status == "ok"
    assert not source.queries[0].closed


def test_a_slow_query_says_that_it_is_running(views: list[LiveView]) -> None:
    view = opened(views, Source([message(1)]))
    looked_at(view)
    query = view.query
    assert isinstance(query, Query)
    query.stale = True
    view.expect()
    assert view.sent == []  # it was quick the last time
    query.duration_ms = 900
    view.expect()
    assert view.sent[-1]["head"]["state"] == "updating"
    drawn(view)
    view.pump()
    assert view.sent[-1]["head"]["state"] == "live"


def test_a_paused_view_stops_its_query_and_catches_up(views: list[LiveView]) -> None:
    source = Source([message(1)])
    view = opened(views, source)
    looked_at(view)
    view.says("pause")
    assert (view.status, source.queries[0].closed) == ("paused", True)
    assert view.sent[-1]["head"]["state"] == "paused"
    source.value = [message(2)]
    view.absorb()
    assert view.value[0]["_id"] == "id1"
    view.resume()
    assert (view.status, view.value[0]["_id"]) == ("ok", "id2")


def test_without_arguments_a_view_waits(views: list[LiveView]) -> None:
    source = Source([message(1)])
    view = Shown(source)
    views.append(view)
    assert (view.status, source.queries) == ("loading", [])
    assert view.whole()["head"]["state"] == "loading"
    view.ask({"author": "Ada"})
    assert view.status == "ok"
    view.ask(None)
    assert (view.status, source.queries[0].closed) == ("loading", True)


def test_the_browser_turns_pages_and_sorts(views: list[LiveView]) -> None:
    view = opened(views, Source([message(number, n=number) for number in range(120)]))
    looked_at(view)
    view.says("page", start=50)
    assert view.sent[-1]["head"]["start"] == 50
    assert view.sent[-1]["page"][0][0] == "id50"
    drawn(view)
    view.says("sort", column="n", add=False)
    drawn(view)
    view.says("sort", column="n", add=False)
    assert view.sent[-1]["head"]["sort"] == [{"column": "n", "descending": True}]
    assert view.sent[-1]["page"][0][0] == "id119"


def test_a_closed_view_sends_nothing_and_may_be_closed_twice(views: list[LiveView]) -> None:
    closed: list[LiveView] = []
    source = Source([message(1)])
    view = Shown(source, {}, on_close=closed.append)
    looked_at(view)
    view.close()
    view.close()
    source.set(view, [])
    assert (closed, source.queries[0].closed, view.sent) == ([view], True, [])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([], "table"),
        ([{"a": 1}], "table"),
        ([1, 2], "tree"),
        ({"a": 1}, "tree"),
        (None, "figure"),
        (5, "figure"),
        ("text", "figure"),
        (Int64(5), "figure"),
    ],
)
def test_kind_of(value: Any, kind: str) -> None:
    assert kind_of(value) == kind


def test_a_figure_and_a_tree_travel_as_bodies(views: list[LiveView]) -> None:
    source = Source(5)
    view = opened(views, source)
    assert view.whole()["body"] == 5
    source.set(view, {"a": [1, 2], "b": {"c": None}})
    body = view.whole()["body"]
    assert [item["label"] for item in body["items"]] == ["a", "b"]
    assert body["items"][0]["size"] == "2 items"
    assert view.whole()["head"]["kind"] == "tree"


def test_one_equals_true_only_to_python(views: list[LiveView]) -> None:
    source = Source(1)
    view = opened(views, source)
    seen: list[Any] = []
    view.observe(lambda change: seen.append(change["new"]), "value")
    source.set(view, True)
    assert seen == [True]
    assert view.whole()["body"] is True


def test_frames_take_a_view_as_it_is(views: list[LiveView]) -> None:
    rows = [message(1, n=1, tags=["a"]), message(2, n=None, tags=[1, "b"]), message(3, extra=Int64(5))]
    view = opened(views, Source(rows))
    assert list(view.df()["body"]) == ["message 1", "message 2", "message 3"]
    assert view.df()["n"].isna().tolist() == [False, True, True]
    table = pyarrow.table(view)
    assert table.column("tags").to_pylist() == [['"a"'], ["1", '"b"'], None]
    assert polars.DataFrame(view)["_id"].to_list() == ["id1", "id2", "id3"]
    assert duckdb.from_arrow(view).aggregate("count(*)").fetchall() == [(3,)]


def test_the_static_table_says_where_and_when(views: list[LiveView]) -> None:
    view = opened(views, Source([message(number) for number in range(30)]), {"author": "<b>Ada</b>"})
    sheet = view.sheet()
    assert len(sheet.rows) == 20
    assert "30 rows, 20 shown; snapshot of 2023-11-14 22:13:20.000 UTC" in sheet.caption
    assert [heading.name for heading in sheet.headings] == ["body"]
    assert "<b>" not in sheet.html()
    assert f'data-convex-static="{view.mark}"' in sheet.html()


def test_a_static_error_says_what_happened(views: list[LiveView]) -> None:
    source = Source([])
    source.error = ValueError("boom")
    assert "ValueError: boom" in opened(views, source).sheet().text()


def test_reprs_are_stable(views: list[LiveView]) -> None:
    assert repr(opened(views, Source([]))) == "<LiveView messages:recent ok>"


def test_a_filter_is_the_kernels_and_survives_updates(views: list[LiveView]) -> None:
    source = Source(tuple(message(number) for number in range(100)))
    view = opened(views, source)
    view.says("filter", text="body:9")
    head = view.whole()["head"]
    assert (head["rows"], head["total"], head["filter"]) == (19, 100, "body:9")
    source.set(view, [message(900), *source.value, message(7)])
    head = view.whole()["head"]
    assert (head["rows"], head["total"]) == (20, 102)
    assert [key for key, _ in view.whole()["page"]][:2] == ["id900", "id9"]
    assert "20 rows" in view.sheet().caption
    assert len(view.df()) == 102
    view.says("filter", text="nobody")
    assert view.whole()["head"]["note"] == "No row passes the filter."
    assert len(view.whole()["head"]["columns"]) == 3
    view.says("filter", text="")
    assert view.whole()["head"]["rows"] == 102


def test_a_file_has_the_rows_as_they_are_seen(views: list[LiveView]) -> None:
    source = Source(tuple(message(number) for number in range(12)))
    view = opened(views, source)
    view.says("filter", text="body:1")
    view.says("sort", column="body", add=False)
    view.says("sort", column="body", add=False)
    view.sent.clear()
    view.buffers.clear()
    view.says("export", format="csv")
    while not view.sent[-1]["done"]:
        view.says("part")
    assert [message["tab"] for message in view.sent] == ["tab"] * 3
    lines = b"".join(view.buffers).decode().splitlines()
    assert lines[0] == "body,_creationTime,_id"
    assert [line.split(",")[0] for line in lines[1:]] == ["message 11", "message 10", "message 1"]
