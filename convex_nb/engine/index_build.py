"""Builds index runs of whole segments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convex_nb.engine.index import IndexRun, run_of_keys
from convex_nb.language.keys import key_function

if TYPE_CHECKING:
    from convex_nb.engine.segment import Segment


def build_run(segment: Segment, fields: tuple[str, ...]) -> IndexRun:
    """The run of a segment in an index over ``fields`` (dotted paths). Costs O(n log n)."""
    key_of = key_function(fields)
    return run_of_keys([key_of(segment.document(row)) for row in range(segment.num_rows)])
