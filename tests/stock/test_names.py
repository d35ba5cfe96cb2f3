from __future__ import annotations

import subprocess
import sys

import pytest

from convex_nb import stock


def test_names_are_loaded_when_they_are_used() -> None:
    code = (
        "import sys, convex_nb.stock; print([name for name in sys.modules if name.startswith('convex_nb.functions')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    assert all(getattr(stock, name) for name in stock.__all__)
    assert set(stock.__all__) <= set(dir(stock))


def test_what_is_not_in_stock_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Teapot'"):
        _ = stock.Teapot
