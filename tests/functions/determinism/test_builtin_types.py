from __future__ import annotations

import sys
import types
from datetime import date, datetime
from typing import Any

import pytest

from convex_nb.functions.determinism.builtin_types import set_attribute


def test_an_attribute_of_a_module_or_class() -> None:
    module = types.ModuleType("module")
    set_attribute(module, "name", 5)
    assert module.name == 5


def test_a_method_of_a_built_in_class_and_back() -> None:
    original = vars(datetime)["now"]

    class Moment(datetime):
        pass

    def now(owner: Any) -> Any:
        return owner.now()

    # Often enough for the interpreter to remember where it found the method.
    for _ in range(1000):
        now(datetime), now(Moment)
    set_attribute(datetime, "now", classmethod(lambda cls, tz=None: cls(2000, 1, 1)))
    try:
        assert now(datetime) == now(Moment) == datetime(2000, 1, 1)
        assert type(now(Moment)) is Moment
        assert not hasattr(date, "now")
    finally:
        set_attribute(datetime, "now", original)
    assert now(datetime).year > 2000
    assert now(Moment).year > 2000


def test_without_ctypes_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctypes", None)
    before = datetime.now
    with pytest.raises(TypeError, match="without ctypes"):
        set_attribute(datetime, "now", None)
    assert datetime.now == before
