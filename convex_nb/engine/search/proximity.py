"""How close together the terms of a search stand in the documents that it finds."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.search.ranking import Matches

    Numbers = NDArray[np.int64]

_FAR = 1 << 40
"""More than any position, so that words of different rows are never near."""


def proximity(matches: Matches, numbers: Numbers) -> NDArray[np.float64]:
    """For each of the rows with these numbers: one for each two neighbouring terms, divided by their least distance.

    Costs O(words of the terms x log) in those rows.
    """
    closeness = np.zeros(len(numbers))
    chosen = np.zeros(len(matches.rows), np.bool_)
    chosen[numbers] = True
    place_of = np.cumsum(chosen) - 1
    # Of each term, where it stands in the chosen rows that have it: row by row.
    words = [_words(matches, number, chosen, place_of) for number in range(len(matches.spans))]
    for before, after in pairwise(words):
        if len(before) and len(after):
            _add_closeness(closeness, before, after)
    return closeness


def _words(matches: Matches, term: int, chosen: NDArray[np.bool_], place_of: Numbers) -> Numbers:
    postings, places = matches.places[term]
    kept = chosen[places]
    occurrences = matches.occurrences[term]
    positions = matches.postings.positions(occurrences, postings[kept])
    lengths = occurrences.frequencies[postings[kept]]
    keys = np.repeat(place_of[places[kept]], lengths) * _FAR + positions
    # Several words may begin with the last term; one term has its places in order already.
    return np.sort(keys, kind="stable")


def _add_closeness(closeness: NDArray[np.float64], before: Numbers, after: Numbers) -> None:
    following = np.searchsorted(after, before, side="right")
    preceding = np.searchsorted(after, before, side="left") - 1
    distances = np.full(len(before), _FAR, np.int64)
    reached = following < len(after)
    distances[reached] = after[following[reached]] - before[reached]
    reached = preceding >= 0
    distances[reached] = np.minimum(distances[reached], before[reached] - after[preceding[reached]])
    rows = before // _FAR
    # Within a row positions differ by less than half of _FAR.
    near = distances < _FAR // 2
    nearest = np.full(len(closeness), np.inf)
    np.minimum.at(nearest, rows[near], distances[near])
    closeness += 1 / nearest
