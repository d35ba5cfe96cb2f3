from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from convex_nb import ConvexError, InvalidValueError, components, mutation, query
from convex_nb.stock import SECOND, Presence
from convex_nb.testing import ConvexTest

presence = Presence(components.presence, timeout=10 * SECOND)
runs: list[str] = []


@mutation
def beat(ctx: Any, user: str, room: str = "lobby", data: Any = None, session: str = "", fails: bool = False) -> None:
    presence.heartbeat(ctx, room, user, data, session=session)
    if fails:
        raise ConvexError("no")


@query
def here(ctx: Any, room: str = "lobby") -> Any:
    runs.append(room)
    return [{each["user"]: each["data"]} for each in presence.list(ctx, room)]


@pytest.fixture
def test() -> Iterator[ConvexTest]:
    runs.clear()
    with ConvexTest() as test:
        test.register_component(Presence.definition)
        test.deployment.register(beat, here)
        yield test


def users(test: ConvexTest, room: str = "lobby") -> list[str]:
    return [user for each in test.query(here, room=room) for user in each]


def test_who_is_quiet_is_taken_off_at_that_very_time(test: ConvexTest) -> None:
    for user in ("bob", "ada"):
        test.mutation(beat, user=user)
        test.advance(3 * SECOND)
    assert users(test) == ["bob", "ada"]
    test.mutation(beat, user="bob")
    test.advance(7 * SECOND - 1)
    assert users(test) == ["bob", "ada"]
    test.advance(1)
    assert users(test) == ["bob"]
    test.advance(3 * SECOND - 1)
    assert users(test) == ["bob"]
    test.advance(1)
    assert users(test) == []
    assert test.deployment.components["presence"].table("sessions").count() == 0


def test_a_live_list_moves_when_somebody_comes_goes_or_says_something_else(test: ConvexTest) -> None:
    seen: list[Any] = []
    with test.deployment.subscribe(here, {}, seen.append):
        for data in (None, None, {"face": "A"}, {"face": "A"}, {"typing": True}):
            test.mutation(beat, user="ada", data=data)
            test.mutation(beat, user="eve", room="attic", data=data)
            test.advance(SECOND)
        test.advance(10 * SECOND)
    face = {"face": "A"}
    assert seen == [[], [{"ada": {}}], [{"ada": face}], [{"ada": {**face, "typing": True}}], []]
    # A heartbeat that says nothing new does not even ask again.
    assert runs == ["lobby"] * len(seen)


def test_a_heart_has_one_job_however_often_it_beats(test: ConvexTest) -> None:
    for _ in range(50):
        test.mutation(beat, user="ada")
        test.advance(SECOND)
    jobs = test.deployment.components["presence"].schedules
    assert len(jobs.pending) == 1
    assert len(jobs) <= 6


def test_a_user_is_there_until_all_sessions_have_left(test: ConvexTest) -> None:
    for session in ("tab 1", "tab 2", "tab 3"):
        test.mutation(beat, user="ada", session=session)
    test.mutation(beat, user="ada", room="attic")

    def leave(session: str) -> Any:
        return test.run(lambda ctx: presence.disconnect(ctx, "lobby", "ada", session=session))

    assert test.run(lambda ctx: presence.rooms(ctx, "ada")) == ["attic", "lobby"]
    assert [leave("tab 1"), leave("tab 1"), leave("tab 2")] == [True, False, True]
    assert users(test) == ["ada"]
    leave("tab 3")
    assert (users(test), users(test, "attic")) == ([], ["ada"])
    assert test.run(lambda ctx: presence.rooms(ctx, "ada")) == ["attic"]
    test.advance(60 * SECOND)
    assert users(test, "attic") == []


def test_a_heartbeat_is_a_part_of_the_callers_transaction(test: ConvexTest) -> None:
    with pytest.raises(ConvexError, match="no"):
        test.mutation(beat, user="ada", fails=True)
    assert users(test) == []


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), "1", True])
def test_a_timeout_is_some_time(timeout: Any) -> None:
    with pytest.raises(InvalidValueError, match="positive number of milliseconds"):
        Presence(timeout=timeout)
