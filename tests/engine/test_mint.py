from __future__ import annotations

import math
import random
import threading

from convex_nb.engine.mint import Mint
from tests.engine.databases import TickingClock


def make_mint(clock: TickingClock, seed: int = 0) -> Mint:
    return Mint(clock.now_ns, random.Random(seed).randbytes, 0.0)


def test_ids_are_made_of_the_given_randomness() -> None:
    def ids(seed: int) -> list[str]:
        mint = make_mint(TickingClock(), seed)
        return [mint.identity(12_000, "items")[0] for _ in range(1000)]

    assert ids(1) == ids(1)
    assert len({*ids(1), *ids(2)}) == 2000


def test_threads_never_share_an_id_or_a_time() -> None:
    mint = make_mint(TickingClock())
    identities: list[tuple[str, float]] = []

    def make() -> None:
        identities.extend([mint.identity(12_000, "items") for _ in range(2000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id for id, _ in identities}) == len({time for _, time in identities}) == 8000


def test_creation_times_in_bulk() -> None:
    clock = TickingClock()
    mint = make_mint(clock)
    before = mint.creation_time()
    first = mint.creation_times(1000)
    assert first > before
    last = first
    for _ in range(999):
        last = math.nextafter(last, math.inf)
    assert mint.creation_time() > last
    clock.offset -= 10**12
    assert mint.creation_times(5) > last
    assert mint.creation_time() == mint.last_creation_time


def test_a_creation_time_that_passed_elsewhere_is_not_given_out() -> None:
    mint = make_mint(TickingClock())
    later = mint.creation_time() + 1e9
    mint.creation_time_passed(later)
    assert mint.creation_time() > later
    mint.creation_time_passed(0.0)
    assert mint.creation_time() > later
