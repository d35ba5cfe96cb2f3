from __future__ import annotations

from bisect import bisect_left
from typing import Any

from hypothesis import given, settings, strategies as st

from convex_nb import define_schema
from convex_nb.stock import counted_tree
from convex_nb.stock.counted_tree import NODES, CountedTree, height_of
from convex_nb.testing import ConvexTest

positions = st.binary(min_size=1, max_size=2)
steps = st.lists(st.tuples(st.sampled_from(["insert", "insert", "remove"]), positions, st.integers(-9, 9)), max_size=60)


def check(tree: CountedTree, model: dict[bytes, int], edges: tuple[bytes, bytes]) -> None:
    order = sorted(model)
    lo, hi = sorted(edges)
    within = order[bisect_left(order, lo) : bisect_left(order, hi)]
    assert tree.total() == (len(order), sum(model.values()))
    assert tree.total(lo, hi) == (len(within), sum(model[each] for each in within))
    assert tree.total(lo) == (len([x for x in order if x >= lo]), sum(model[x] for x in order if x >= lo))
    found = [tree.at(offset) for offset in range(len(order) + 1)]
    assert [each and each["position"] for each in found] == [*order, None]
    ends = [tree.first(lo, hi, order=each) for each in ("asc", "desc")]
    assert [each and each["position"] for each in ends] == ([within[0], within[-1]] if within else [None, None])


def shape(db: Any) -> set[Any]:
    return {(each["level"], each["position"], each["size"], each["sum"]) for each in db.query("nodes").collect()}


def test_the_height_of_a_position_is_a_level_more_for_one_in_sixteen() -> None:
    heights = [height_of(str(n).encode()) for n in range(20_000)]
    shares = [sum(height >= level for height in heights) / 20_000 for level in range(1, 4)]
    assert all(0.8 < share * 16**level < 1.25 for level, share in enumerate(shares[:2], 1))


@settings(max_examples=40, deadline=None)
@given(steps, st.tuples(positions, positions), st.integers(1, 3))
def test_it_is_what_sorting_and_adding_up_would_say(steps: Any, edges: tuple[bytes, bytes], modulus: int) -> None:
    # Towers where few items already make many levels.
    tall = lambda position: (position[0] % 4 == 0) * (1 + position[-1] % modulus)  # noqa: E731
    original, counted_tree.height_of = counted_tree.height_of, tall
    try:
        with ConvexTest(define_schema({"nodes": NODES})) as test:
            model: dict[bytes, int] = {}

            def run(ctx: Any) -> None:
                tree, other = CountedTree(ctx.db, b"a"), CountedTree(ctx.db, b"b")
                other.insert(b"x", 100, {})
                for kind, position, value in steps:
                    if kind == "insert":
                        tree.insert(position, value, {})
                        model[position] = value
                    else:
                        assert tree.remove(position) is (model.pop(position, None) is not None)
                check(tree, model, edges)
                assert other.total() == (1, 100)
                other.remove(b"x")
                grown = shape(ctx.db)
                tree.clear()
                assert shape(ctx.db) == set()
                for position in sorted(model):
                    tree.insert(position, model[position], {})
                assert shape(ctx.db) == grown

            test.run(run)
    finally:
        counted_tree.height_of = original


def test_a_change_and_a_question_touch_few_of_many() -> None:
    with ConvexTest(define_schema({"nodes": NODES})) as test:

        def fill(ctx: Any) -> None:
            tree = CountedTree(ctx.db, b"")
            for n in range(1500):
                tree.insert(n.to_bytes(2, "big"), 1, {})

        test.run(fill)

        def ask(ctx: Any) -> Any:
            tree, seen = CountedTree(ctx.db, b""), []
            inner = tree._range

            def counted(*args: Any, **options: Any) -> Any:
                seen.append(inner(*args, **options).count())
                return inner(*args, **options)

            tree._range = counted  # type: ignore[method-assign]
            assert tree.total(b"\0\x64", b"\x05\0") == (1180, 1180)
            return sum(seen)

        assert test.run(ask) < 300
