"""The validators of paginated functions."""

from __future__ import annotations

from typing import Any

import pytest

from convex_nb.language.errors import ValidationError
from convex_nb.language.pagination_validators import pagination_opts, pagination_result
from convex_nb.language.validators import v


@pytest.mark.parametrize(
    "options",
    [
        {"numItems": 5, "cursor": None},
        {"numItems": 5, "cursor": "abc", "id": 1},
        {"numItems": 5, "cursor": None, "endCursor": "x", "maximumRowsRead": 10, "maximumBytesRead": 10},
    ],
)
def test_options(options: dict[str, Any]) -> None:
    assert pagination_opts.validate(options) == options


@pytest.mark.parametrize("options", [{}, {"numItems": 5}, {"cursor": None}, {"numItems": 5, "cursor": None, "x": 1}])
def test_wrong_options(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        pagination_opts.validate(options)


@pytest.mark.parametrize("status", [None, "SplitRecommended", "SplitRequired"])
def test_results(status: str | None) -> None:
    result = {"page": [{"a": 1}], "isDone": False, "continueCursor": "x", "splitCursor": None, "pageStatus": status}
    assert pagination_result(v.object({"a": v.number()})).validate(result) == result
    with pytest.raises(ValidationError, match=r"Path: .page\[0\].a"):
        pagination_result(v.object({"a": v.string()})).validate(result)
