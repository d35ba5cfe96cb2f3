from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
import types
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

import convex_nb
from convex_nb.functions.determinism.installation import adopt_names, install, release
from convex_nb.functions.determinism.stand_in import StandIn


def replaced() -> list[object]:
    return [
        time.time,
        time.sleep,
        random.random,
        random.Random.seed,
        np.random.rand,
        threading.Thread.start,
        vars(datetime)["now"],
    ]


def test_the_last_one_to_leave_puts_everything_back() -> None:
    before = replaced()
    install()
    install()
    release()
    during = replaced()
    release()
    assert replaced() == before
    assert not {id(each) for each in before} & {id(each) for each in during}
    assert datetime.now().year > 2023


def test_what_somebody_else_has_replaced_since_stays() -> None:
    real = time.time
    install()
    try:
        time.time = lambda: 5.0
        release()
        assert time.time() == 5.0
    finally:
        time.time = real


def test_names_that_user_code_holds_are_replaced() -> None:
    real_time, real_randint = time.time, random.randint
    namespace: dict[str, object] = {"__name__": "user"}
    exec("class Clock:\n    now = kept = None", namespace)
    clock = namespace["Clock"]
    assert isinstance(clock, type)
    clock.now = real_time  # type: ignore[attr-defined]
    namespace |= {"time": real_time, "alias": real_time, "randint": real_randint, "other": 5}
    install()
    try:
        adopt_names(namespace)
        assert namespace["time"] is namespace["alias"] is clock.now is time.time  # type: ignore[attr-defined]
        assert namespace["randint"] is random.randint
        assert namespace["other"] == 5
        assert isinstance(clock().now(), float)
    finally:
        release()
    untouched: dict[str, object] = {"time": real_time}
    adopt_names(untouched)
    assert untouched["time"] is real_time


def test_outside_of_handlers_a_stand_in_is_the_original() -> None:
    install()
    try:
        assert isinstance(time.time, StandIn)
        with pytest.raises(TypeError):
            time.time(5)
        assert time.gmtime(0).tm_year == 1970
        assert time.strftime.__doc__
    finally:
        release()


def test_modules_loaded_by_the_deployment_and_their_helpers_are_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "loaded_app"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helpers.py").write_text("import time as module\ntime = getattr(module.time, 'original', module.time)\n")
    (package / "clock.py").write_text(
        "from convex_nb import query\n"
        "from loaded_app.helpers import time as helper_time\n"
        "import loaded_app.helpers as helpers\n"
        "@query\n"
        "def look(ctx):\n"
        "    return [helper_time(), helpers.time(), ctx.now() / 1e3]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import loaded_app.clock  # type: ignore[import-not-found]

    # As if it had been imported before anything was open.
    assert not isinstance(loaded_app.clock.helper_time, StandIn)
    with convex_nb.open() as dep:
        dep.load("loaded_app")
        assert len(set(dep.query("clock:look"))) == 1
    for name in [name for name in sys.modules if name.startswith("loaded_app")]:
        del sys.modules[name]


def test_importing_installs_nothing_and_opening_does() -> None:
    code = (
        "import time, datetime; kept, now = [time.time], vars(datetime.datetime)['now']\n"
        "import convex_nb; convex_nb.query, convex_nb.v\n"
        "assert time.time is kept[0] and vars(datetime.datetime)['now'] is now\n"
        "with convex_nb.open(): assert time.time is not kept[0]\n"
        "assert time.time is kept[0] and vars(datetime.datetime)['now'] is now\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_numpy_is_seeded_when_a_handler_is_the_first_to_ask_for_it() -> None:
    code = (
        "import sys, convex_nb, numpy as np\n"
        "def draw(db): return float(np.random.rand())\n"
        "with convex_nb.open() as dep:\n"
        "    sys.modules.pop('numpy.random', None)\n"
        "    first = dep.transact(draw)\n"
        "    assert type(np.random.rand).__name__ == 'StandIn', type(np.random.rand)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_namespace_may_be_any_module() -> None:
    install()
    try:
        adopt_names(vars(types.ModuleType("empty")))
    finally:
        release()
