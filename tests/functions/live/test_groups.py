from __future__ import annotations

from typing import Any

from convex_nb import Deployment
from convex_nb.functions.live.groups import Groups
from convex_nb.functions.live.shared_query import SharedQuery
from tests.functions.apps import add_task, add_to_counter, counter_value, list_tasks, open_app


def followed(dep: Deployment) -> list[SharedQuery]:
    return list(dep._reactor._queries.values())


def outcomes(dep: Deployment, since: int = 0) -> list[Any] | None:
    found = dep._reactor.groups.outcomes(followed(dep), dep._database.head, since)
    return None if found is None else [outcome.value for outcome in found]


def open_followed() -> Deployment:
    dep = open_app()
    dep.subscribe(list_tasks, {}, lambda value: None)
    dep.subscribe(counter_value, {"name": "n"}, lambda value: None)
    return dep


def test_queries_that_have_run_for_a_moment_give_it() -> None:
    with open_followed() as dep:
        assert outcomes(dep) == [[], None]
        dep.mutation(add_to_counter, name="n")
        assert outcomes(dep) == [[], 1]
        assert outcomes(dep, dep.timestamp) == [[], 1]


def test_a_commit_whose_marks_are_still_to_come_is_noticed() -> None:
    """Published by another thread, which has not told the reactor yet."""
    with open_followed() as dep:
        dep._database.on_commit.remove(dep._reactor._committed)
        dep.mutation(add_to_counter, name="n")
        assert outcomes(dep) is None
        for _ in range(300):
            dep.mutation(add_task, text="a")
        assert outcomes(dep) is None


def test_one_that_has_run_for_a_later_moment_waits_for_the_others() -> None:
    with open_followed() as dep:
        before = dep._database.head
        dep.mutation(add_to_counter, name="n")
        assert dep._reactor.groups.outcomes(followed(dep), before, 0) is None


def test_after_many_commits_the_marks_are_enough() -> None:
    with open_followed() as dep:
        dep._reactor.paused = True
        dep.mutation(add_task, text="a")
        for _ in range(300):
            dep.transact(lambda db: db.insert("others", {}))
        assert outcomes(dep) is None
        dep._reactor.paused = False
        dep._reactor.flush()
        found = outcomes(dep)
        assert found is not None
        assert len(found[0]) == 1


def test_a_group_that_cannot_move_stays_until_it_can() -> None:
    class Moving:
        def __init__(self) -> None:
            self.ready = False
            self.moves = 0

        def move(self, snapshot: Any) -> bool:
            self.moves += 1
            return self.ready

    with open_app() as dep:
        groups, group = Groups(dep._database), Moving()
        groups.arrive(group)
        groups.move(dep._database.head)
        assert (group.moves, len(groups)) == (2, 1)
        group.ready = True
        groups.move(dep._database.head)
        groups.move(dep._database.head)
        assert (group.moves, len(groups)) == (3, 0)
        groups.expect(group)
        groups.forget(group)
        assert len(groups) == 0
