"""Text as terms: runs of letters and digits in lower case; of one text, and of a whole column at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.segments.columns import LARGE, MOST_BYTES
from convex_nb.language.limits import Limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.segments.columns import ArrowArray

LONGEST: Final = Limits().search_term_bytes
"""Longer terms are not searched for and not found; the words after them keep their places."""

_WORD: Final = re.compile(r"[^\W_]+")


def terms_of(text: str) -> list[str]:
    """The terms of a text in order, those dropped that are too long."""
    return [term for term in words_of(text) if len(term) <= LONGEST and len(term.encode()) <= LONGEST]


def words_of(text: str) -> list[str]:
    """All words of a text in lower case, in order."""
    # First split, then lower: some letters become several characters, of which not all are letters.
    return [word.lower() for word in _WORD.findall(text)]


class ColumnTokens(NamedTuple):
    """The terms of a column of texts, by row and then by place."""

    terms: ArrowArray
    """As binary, which sorts as the text does."""
    rows: NDArray[np.int64]
    positions: NDArray[np.int64]
    """How many words stand before it in its row."""


def _token_bytes() -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    for code in range(128):
        if chr(code).isalnum():
            table[code] = ord(chr(code).lower())
    table[128:] = np.arange(128, 256)
    return table


_TOKEN_BYTES: Final = _token_bytes()
"""Each byte of a word in lower case, 0 for what is between words."""


def tokens_of_column(texts: ArrowArray) -> ColumnTokens:
    """The terms of every text; null has none. Costs about 10 nanoseconds a byte, some microseconds where not ASCII."""
    texts = _plain(texts)
    offsets, data = _content(texts)
    lowered = _TOKEN_BYTES[data]
    inside = lowered != 0
    begins = inside.copy()
    begins[1:] &= ~inside[:-1]
    # No word reaches from one row into the next.
    firsts = offsets[:-1][offsets[:-1] < len(data)]
    begins[firsts] = inside[firsts]
    counts = np.diff(np.searchsorted(np.flatnonzero(begins), offsets))
    total = int(counts.sum())
    rows = np.repeat(np.arange(len(counts)), counts)
    positions = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    content = lowered[inside]
    starts = np.append(np.flatnonzero(begins[inside]), len(content))
    large = len(content) > MOST_BYTES
    terms = pa.Array.from_buffers(
        pa.large_binary() if large else pa.binary(),
        total,
        [None, pa.py_buffer(starts.astype(np.int64 if large else np.int32)), pa.py_buffer(content)],
    )
    kept = np.diff(starts) <= LONGEST
    if not kept.all():
        terms, rows, positions = terms.filter(pa.array(kept)), rows[kept], positions[kept]
    return ColumnTokens(terms, rows, positions)


def _plain(texts: ArrowArray) -> ArrowArray:
    """The texts with those that are not ASCII written as their words with spaces between."""
    texts = pc.fill_null(texts, "")
    strange = np.flatnonzero(~pc.string_is_ascii(texts).to_numpy(zero_copy_only=False))
    if not len(strange):
        return texts
    # In lower case some letters take more bytes.
    if texts.type in LARGE and texts.nbytes > MOST_BYTES // 4:
        texts = texts.cast(LARGE[texts.type])
    mask = np.zeros(len(texts), np.bool_)
    mask[strange] = True
    words = [" ".join(words_of(text)) for text in texts.take(pa.array(strange)).to_pylist()]
    return pc.replace_with_mask(texts, pa.array(mask), pa.array(words, texts.type))


def _content(texts: ArrowArray) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Where each text begins, and one more; and the bytes of all."""
    _, offsets_buffer, data_buffer = texts.buffers()
    wide = np.int64 if texts.type in LARGE.values() else np.int32
    if not len(texts):
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    offsets = np.frombuffer(offsets_buffer, wide)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    data = np.frombuffer(b"" if data_buffer is None else data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], data
