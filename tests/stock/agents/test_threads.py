from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from convex_nb import ConvexError, DocumentNotFoundError, InvalidValueError, query
from convex_nb.stock import Agent, Threads
from convex_nb.testing import ConvexTest

threads = Threads()


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    with ConvexTest() as test:
        test.register_component(Threads.definition)
        yield test


def run(test: ConvexTest, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
    return test.run(lambda ctx: method(ctx, *args, **options))


def save_many(thread: str, number: int) -> Callable[[Any], Any]:
    return lambda ctx: [threads.save_message(ctx, thread, str(n)) for n in range(number)]


def tables(test: ConvexTest) -> list[int]:
    return [test.deployment.components["agent"].table(name).count() for name in ("threads", "messages", "deltas")]


def test_threads_are_of_a_user_and_have_a_title(test: ConvexTest) -> None:
    ids = [run(test, threads.create_thread, user="ada", title=f"Trip {n}") for n in range(3)]
    nobodys = run(test, threads.create_thread)
    run(test, threads.update_thread, ids[0], summary="To Rome", title=None)
    found = run(test, threads.get_thread, ids[0])
    assert (found["user"], found["title"], found["summary"]) == ("ada", None, "To Rome")
    page = run(test, threads.list_threads, "ada", num_items=2)
    assert [each["_id"] for each in page["page"]] == [ids[2], ids[1]]
    rest = run(test, threads.list_threads, "ada", num_items=2, cursor=page["continueCursor"])
    assert [each["_id"] for each in rest["page"]] == [ids[0]]
    assert [each["_id"] for each in run(test, threads.list_threads, None)["page"]] == [nobodys]
    run(test, threads.delete_thread, nobodys)
    with pytest.raises(DocumentNotFoundError, match="no thread"):
        run(test, threads.update_thread, nobodys, title="x")


def test_people_talk_and_an_answer_has_the_order_of_what_it_answers(test: ConvexTest) -> None:
    thread = run(test, threads.create_thread, user="ada")

    def talk(ctx: Any) -> None:
        first = threads.save_message(ctx, thread, "Is anybody there?")
        threads.save_message(ctx, thread, "Hello?")
        about = {"provider": "human"}
        threads.save_message(
            ctx, thread, "Yes", role="assistant", prompt_message=first, agent_name="Alex", metadata=about
        )
        threads.save_message(ctx, thread, [{"type": "text", "text": "See"}, {"type": "image", "url": "x"}])

    test.run(talk)
    found = run(test, threads.last_messages, thread)
    assert [(each["order"], each["step_order"], each["text"]) for each in found] == [
        (0, 0, "Is anybody there?"),
        (0, 1, "Yes"),
        (1, 0, "Hello?"),
        (2, 0, "See"),
    ]
    assert (found[1]["agent_name"], found[1]["metadata"]) == ("Alex", {"provider": "human"})
    assert found[3]["parts"][1] == {"type": "image", "url": "x"}
    elsewhere = run(test, threads.create_thread)
    with pytest.raises(InvalidValueError, match=f"is in the thread '{thread}', not in '{elsewhere}'"):
        run(test, threads.save_message, elsewhere, "Yes", prompt_message=found[0]["_id"])
    assert run(test, threads.last_messages, elsewhere) == []
    for role, content in (("tool", "x"), ("robot", "x"), ("user", None), ("user", b"x")):
        with pytest.raises(InvalidValueError, match=r"a role .* and a content"):
            run(test, threads.save_message, thread, content, role=role)


def test_messages_are_listed_in_pages_and_deleted_by_id_or_range(test: ConvexTest) -> None:
    thread = run(test, threads.create_thread)
    ids = test.run(save_many(thread, 6))

    def texts() -> list[str]:
        return [each["text"] for each in run(test, threads.last_messages, thread)]

    page = run(test, threads.list_messages, thread, num_items=4)
    assert [each["text"] for each in page["page"]] == ["0", "1", "2", "3"]
    options = {"numItems": 4, "cursor": page["continueCursor"]}
    rest = run(test, threads.list_messages, thread, options)
    assert ([each["text"] for each in rest["page"]], rest["isDone"]) == (["4", "5"], True)
    assert [each["text"] for each in run(test, threads.last_messages, thread, 2)] == ["4", "5"]
    assert run(test, lambda ctx: [len(threads.last_messages(ctx, id)) for id in (thread, thread)]) == [6, 6]
    assert run(test, threads.delete_messages, [ids[0], ids[0]]) == 1
    deleted = run(test, threads.delete_message_range, thread, start_order=2, end_order=4)
    assert (deleted, texts()) == (2, ["1", "4", "5"])
    deleted = run(test, threads.delete_message_range, thread, start_order=4, end_order=5, end_step_order=1)
    assert (deleted, texts()) == (2, ["1"])
    # A prompt that is deleted leaves no gap at the end.
    assert run(test, threads.get_messages, [ids[1], ids[2]])[1] is None


def test_a_thread_goes_with_all_its_messages_batch_by_batch(test: ConvexTest) -> None:
    thread = run(test, threads.create_thread, user="ada")
    other = run(test, threads.create_thread, user="bob")
    for id in (thread, other):
        test.run(save_many(id, 130))
    assert [run(test, threads.delete_thread, thread) for _ in range(2)] == [True, False]
    test.finish_all_scheduled_functions()
    assert tables(test) == [1, 130, 0]
    run(test, threads.delete_threads, "bob")
    test.finish_all_scheduled_functions()
    assert tables(test) == [0, 0, 0]


def test_a_thread_of_long_messages_goes_in_smaller_batches(test: ConvexTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convex_nb.stock.agents.conversations._BATCH_BYTES", 3000)
    thread = run(test, threads.create_thread)
    for _ in range(5):
        run(test, threads.save_message, thread, "x" * 2000)
    run(test, threads.delete_thread, thread)
    assert tables(test) == [0, 3, 0]
    test.finish_all_scheduled_functions()
    assert tables(test) == [0, 0, 0]


def test_the_threads_of_a_user_go_in_transactions_that_each_write_little(test: ConvexTest) -> None:
    for _ in range(3):
        test.run(save_many(run(test, threads.create_thread, user="bob"), 5))
    run(test, threads.delete_threads, "bob")
    assert tables(test) == [0, 15, 0]
    test.finish_all_scheduled_functions()
    assert tables(test) == [0, 0, 0]


def test_what_is_said_is_a_part_of_the_callers_transaction(test: ConvexTest) -> None:
    def fails(ctx: Any) -> None:
        threads.save_message(ctx, threads.create_thread(ctx), "Hello")
        raise ConvexError("no")

    with pytest.raises(ConvexError):
        test.run(fails)
    assert tables(test) == [0, 0, 0]


def test_a_live_list_moves_for_its_own_thread_only(test: ConvexTest) -> None:
    one, other = (run(test, threads.create_thread) for _ in range(2))
    seen: list[Any] = []

    @query("tests:talk")
    def talk(ctx: Any) -> Any:
        return [each["text"] for each in threads.last_messages(ctx, one)]

    test.deployment.register(talk)
    with test.deployment.subscribe(talk, {}, seen.append):
        for thread, text in ((one, "a"), (other, "b"), (one, "c")):
            run(test, threads.save_message, thread, text)
    assert seen == [[], ["a"], ["a", "c"]]


def test_both_classes_are_of_one_component() -> None:
    assert Threads.definition is Agent.definition
    assert repr(threads) == "Threads(components.agent)"
