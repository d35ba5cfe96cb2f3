from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from convex_nb import InvalidValueError, action
from convex_nb.stock import Rag
from convex_nb.testing import ConvexTest

embedded: list[str] = []
MEANINGS = (("fox", "dog", "hound"), ("tea", "bread", "butter"), ("rome", "paris"))


async def embed(texts: list[str]) -> list[list[float]]:
    embedded.extend(texts)
    return [[0.1, *(float(any(word in text.lower() for word in words)) for words in MEANINGS)] for text in texts]


rag = Rag(embed=embed, chunk_size=20)


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    embedded.clear()
    with ConvexTest() as test:
        test.register_component(Rag.definition)
        yield test


def act(test: ConvexTest, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    @action("tests:act")
    def run(ctx: Any) -> Any:
        return method(ctx, *args, **options)

    test.deployment.register(run)
    return test.action(run)


def passages(test: ConvexTest, query: str, **how: Any) -> list[str]:
    return [each["text"] for each in act(test, rag.search, "a", query, **how)["results"]]


def count(test: ConvexTest, table: str) -> int:
    return int(test.deployment.components["rag"].table(table).count())


def test_texts_are_found_by_what_they_mean_in_their_namespace(test: ConvexTest) -> None:
    act(test, rag.add, "a", "A fox ran by.\n\nWe had bread.", title="Diary", metadata={"page": 1})
    act(test, rag.add, "b", "A dog barked.")
    found = act(test, rag.search, "a", "hound", limit=1)
    assert found["text"] == "# Diary\n\nA fox ran by."
    [result] = found["results"]
    assert (result["start"], result["end"], result["entry"]["metadata"]) == (0, 0, {"page": 1})
    assert "content" not in result["entry"]
    assert passages(test, "tea", least_score=0.9) == ["We had bread."]
    assert passages(test, "paris", least_score=0.9) == []
    assert act(test, rag.search, "empty", "fox") == {"text": "", "results": []}


def test_a_text_takes_the_place_of_the_one_with_its_key(test: ConvexTest) -> None:
    first = act(test, rag.add, "a", "A fox ran by.", key="day 1")
    assert act(test, rag.add, "a", "A fox ran by.", key="day 1") == first
    assert len(embedded) == 1
    second = act(test, rag.add, "a", ["We had tea.", "And bread."], key="day 1", title="Tea")
    assert second != first
    assert passages(test, "fox", least_score=0.9) == []
    assert (count(test, "entries"), count(test, "chunks")) == (1, 2)
    assert test.run(lambda ctx: rag.get(ctx, "a", "day 1"))["title"] == "Tea"
    act(test, rag.add, "a", "No key.")
    act(test, rag.add, "a", "No key.")
    page = test.run(lambda ctx: rag.list_entries(ctx, "a"))
    assert [each["key"] for each in page["page"]] == [None, None, "day 1"]
    assert [test.run(lambda ctx: rag.delete(ctx, second)) for _ in range(2)] == [True, False]
    assert (count(test, "entries"), count(test, "chunks")) == (2, 2)
    assert test.run(lambda ctx: rag.get(ctx, "a", "day 1")) is None


def test_vectors_of_another_model_are_replaced(test: ConvexTest) -> None:
    def reverse(texts: list[str]) -> Any:
        embedded.extend(texts)
        return [[0.1, *([float("fox" not in text)] * 3)] for text in texts]

    def add(by: Rag) -> str:
        return str(act(test, by.add, "a", "A fox ran by.", key="k"))

    first = add(rag)
    second = add(Rag(embed=reverse))
    assert second != first
    assert (len(embedded), count(test, "entries"), count(test, "chunks")) == (2, 1, 1)
    assert act(test, Rag(embed=reverse).search, "a", "fox", least_score=0.99)["results"]
    assert passages(test, "fox", least_score=0.99) == []
    # It may have a name, for what the code of `embed` does not tell.
    small = add(Rag(embed=partial(reverse), model="small"))
    large = add(Rag(embed=partial(reverse), model="large"))
    assert len({first, second, small, large}) == 4
    number = len(embedded)
    assert add(Rag(embed=embed, model="large")) == large
    assert len(embedded) == number


def test_any_callable_embeds(test: ConvexTest) -> None:
    class Remote:
        """It has each attribute, as a proxy has."""

        def __getattr__(self, name: str) -> Remote:
            return Remote()

        def __call__(self, texts: list[str]) -> Any:
            return [[1.0] for _ in texts]

        def encode(self, texts: list[str]) -> Any:
            return self(texts)

    for remote in (Remote(), Remote().encode, partial(Remote().encode)):
        first = act(test, Rag(embed=remote).add, "a", "A fox.", key="k")
        assert act(test, Rag(embed=remote).add, "a", "A fox.", key="k") == first


def test_one_that_could_not_be_embedded_leaves_the_old_one(test: ConvexTest) -> None:
    def busy(texts: list[str]) -> Any:
        raise ConnectionError("busy")

    act(test, rag.add, "a", "A fox ran by.", key="k")
    with pytest.raises(ConnectionError):
        act(test, Rag(embed=busy).add, "a", "A dog ran by.", key="k")
    with pytest.raises(InvalidValueError, match="0 came for 1"):
        act(test, Rag(embed=lambda texts: []).add, "a", "A dog ran by.", key="k")
    assert passages(test, "hound", limit=1) == ["A fox ran by."]


def test_passages_have_their_neighbours_each_once(test: ConvexTest) -> None:
    act(test, rag.add, "a", ["Zero.", "One.", "A fox.", "Three.", "Bread.", "Five.", "Six.", "Seven.", "Bread again."])
    assert passages(test, "fox", limit=1, before=1, after=1) == ["One.\n\nA fox.\n\nThree."]
    assert passages(test, "fox", limit=1, before=9, after=0) == ["Zero.\n\nOne.\n\nA fox."]
    both = passages(test, "tea", limit=2, before=1, after=1, least_score=0.9)
    assert sorted(both) == ["Seven.\n\nBread again.", "Three.\n\nBread.\n\nFive."]
    met = passages(test, "tea", limit=2, before=2, after=1, least_score=0.9)
    assert met == ["A fox.\n\nThree.\n\nBread.\n\nFive.\n\nSix.\n\nSeven.\n\nBread again."]


def test_importance_and_words_have_a_say(test: ConvexTest) -> None:
    act(test, rag.add, "a", "An old fox.", importance=0.5)
    act(test, rag.add, "a", "A new dog.", importance=0.9)
    act(test, rag.add, "a", "It rains.", importance=1)
    assert passages(test, "hound") == ["A new dog.", "An old fox.", "It rains."]
    assert passages(test, "rains", text_search=True)[0] == "It rains."
    assert passages(test, "old hound", text_search=True)[0] == "An old fox."


def test_what_is_no_text_or_importance_is_said(test: ConvexTest) -> None:
    for importance in (-0.1, 1.1, "1", True):
        with pytest.raises(InvalidValueError, match="from 0 to 1"):
            act(test, rag.add, "a", "x", importance=importance)
    for text in ([1], None, b"x"):
        with pytest.raises(InvalidValueError, match="a string, or a list of strings"):
            act(test, rag.add, "a", text)
    for option, number in (("limit", 0), ("limit", 2.5), ("before", -1), ("after", None)):
        with pytest.raises(InvalidValueError, match=f"The `{option}` of a search is a whole number"):
            act(test, rag.search, "a", "x", **{option: number})
    for how in ({"embed": None}, {"embed": embed, "chunk_size": 0}, {"embed": embed, "model": 3}):
        with pytest.raises(InvalidValueError, match="takes `embed=`"):
            Rag(**how)
