from __future__ import annotations

import os
import random
import secrets
import threading
import time
import uuid
from collections.abc import Callable
from random import randint, random as random_function
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given, strategies as st

import convex_nb
from convex_nb import MutationCtx
from convex_nb.engine.database import Database
from convex_nb.functions.determinism import randomness
from convex_nb.functions.determinism.installation import adopt_names, install, release
from convex_nb.functions.execution import Execution, running
from convex_nb.functions.logs.execution_log import ExecutionLog
from convex_nb.functions.registry import Registry
from convex_nb.functions.runner import Runner
from convex_nb.testing import VirtualClock
from tests.functions.apps import open_app

DRAWS: dict[str, Callable[[], Any]] = {
    "random.random": lambda: random.random(),
    "random.randint": lambda: random.randint(0, 10**9),
    "random.gauss": lambda: random.gauss(0, 1),
    "random.choice": lambda: random.choice(range(10**9)),
    "random.sample": lambda: random.sample(range(1000), 5),
    "random.getrandbits": lambda: random.getrandbits(64),
    "from random": lambda: (randint(0, 10**9), random_function()),
    "Random": lambda: random.Random().random(),
    "SystemRandom": lambda: random.SystemRandom().random(),
    "uuid1": lambda: uuid.uuid1(),
    "uuid4": lambda: (uuid.uuid4(), uuid4()),
    "secrets": lambda: (secrets.token_hex(8), secrets.randbelow(10**9), secrets.choice(range(10**9))),
    "os.urandom": lambda: os.urandom(8),
    "numpy.rand": lambda: float(np.random.rand()),
    "numpy.randint": lambda: int(np.random.randint(10**9)),
    "numpy.normal": lambda: float(np.random.normal()),
    "numpy.permutation": lambda: np.random.permutation(50).tolist(),
    "numpy.sample": lambda: float(np.random.sample()),
    "numpy.default_rng": lambda: float(np.random.default_rng().random()),
    "numpy.RandomState": lambda: float(np.random.RandomState().rand()),
    "numpy.Generator": lambda: float(np.random.Generator(np.random.PCG64()).random()),
}


@pytest.fixture(autouse=True)
def _installed() -> Any:
    install()
    adopt_names(globals())
    yield
    release()


def run(seed: int, program: Callable[[], Any]) -> Any:
    """What a program gives as a mutation whose call has this seed."""
    database = Database(clock=VirtualClock(1e12))
    try:
        return Runner(database, Registry(), ExecutionLog(), seed=seed).transact(lambda execution, db: program(), "m:p")
    finally:
        database.close()


@pytest.mark.parametrize("name", DRAWS)
def test_a_source_of_randomness_is_seeded(name: str) -> None:
    draw = DRAWS[name]
    first, second, other = run(1, draw), run(1, draw), run(2, draw)
    assert first == second
    assert first != other
    assert run(1, lambda: (draw(), draw()))[0] == first
    one, two = run(1, lambda: (draw(), draw()))
    assert one != two
    assert draw() != draw()


@given(st.integers(0, 2**32), st.lists(st.sampled_from(sorted(DRAWS)), max_size=12))
def test_the_same_seed_gives_the_same_run(seed: int, names: list[str]) -> None:
    program = lambda: [(DRAWS[name](), time.time(), name) for name in names]  # noqa: E731
    first = run(seed, program)
    # What happens elsewhere in between moves nothing.
    random.seed(5)
    np.random.seed(5)
    DRAWS[names[0] if names else "uuid1"]()
    assert run(seed, program) == first


def test_what_handlers_draw_and_seed_moves_nothing_outside() -> None:
    random.seed(7)
    np.random.seed(7)
    expected = [random.random(), random.random()], np.random.rand(2).tolist()

    def program() -> None:
        random.seed(1)
        np.random.seed(1)
        for draw in DRAWS.values():
            draw()

    random.seed(7)
    np.random.seed(7)
    run(1, program)
    assert ([random.random(), random.random()], np.random.rand(2).tolist()) == expected


def test_seeding_inside_counts_for_the_rest_of_the_call() -> None:
    def program() -> Any:
        random.seed(5)
        np.random.seed(5)
        return random.random(), np.random.rand()

    assert run(1, program) == run(2, program) == (random.Random(5).random(), np.random.RandomState(5).rand())


def test_a_library_that_draws_does_not_move_the_generator_of_the_context() -> None:
    def draw_from_context(ctx_random_first: bool) -> float:
        execution = running.get()
        assert isinstance(execution, Execution)
        if not ctx_random_first:
            random.random()
        return execution.random.random()

    assert run(3, lambda: draw_from_context(True)) == run(3, lambda: draw_from_context(False))


def test_a_retried_mutation_draws_the_same() -> None:
    from concurrent.futures import ThreadPoolExecutor

    seen: list[Any] = []

    @convex_nb.mutation("m:conflicts")
    def conflicts(ctx: MutationCtx) -> None:
        seen.append([str(draw()) for draw in DRAWS.values()] + [ctx.random.random()])
        ctx.db.query("tasks").collect()
        if len(seen) < 3:
            pool.submit(lambda: dep.mutation("tasks:add", {"text": "meanwhile"})).result(60)
        ctx.db.insert("tasks", {"text": "mine", "done": False})

    with open_app() as dep, ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        dep.mutation(conflicts)
        dep.mutation(conflicts)
    assert seen[0] == seen[1] == seen[2]
    assert seen[3] != seen[0]


def test_other_threads_draw_from_the_real_sources_meanwhile() -> None:
    random.seed(11)
    expected = [random.random() for _ in range(3)]
    random.seed(11)
    drawn: list[float] = []
    go, done = threading.Event(), threading.Event()

    def draw() -> None:
        assert go.wait(60)
        drawn.extend(random.random() for _ in range(3))
        done.set()

    other = threading.Thread(target=draw)
    other.start()

    def program() -> Any:
        mine = random.random()
        go.set()
        assert done.wait(60)
        return mine, random.random()

    assert run(1, program) == run(1, lambda: (random.random(), random.random()))
    other.join(60)
    assert drawn == expected


@pytest.mark.parametrize(("version", "make"), [(1, randomness._uuid1), (6, randomness._uuid6), (7, randomness._uuid7)])
def test_uuids_of_time_have_their_version_and_order(version: int, make: Callable[..., uuid.UUID]) -> None:
    def program() -> Any:
        execution = running.get()
        assert execution is not None
        return [make(execution) for _ in range(20)], execution.reads_clock

    made, reads_clock = run(1, program)
    assert reads_clock
    assert {each.version for each in made} == {version}
    assert {each.variant for each in made} == {uuid.RFC_4122}
    assert len(set(made)) == 20
    if version == 1:
        # 1e12 ms after 1970, in hundreds of nanoseconds since 1582.
        assert [each.time for each in made] == [10**16 + 0x01B21DD213814000 + number for number in range(20)]
    else:
        assert made == sorted(made)
    if version == 7:
        assert {each.int >> 80 for each in made} == {10**12}
