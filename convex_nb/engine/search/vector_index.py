"""The vectors of one segment: matrices of its stretches of rows, each made in a step of its own."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from convex_nb.engine.search.stretches import stretches_of
from convex_nb.engine.search.text_index import column_at, values_at
from convex_nb.engine.segments.layout import ENCODED
from convex_nb.language.keys import field_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from convex_nb.engine.segments.columns import ArrowArray, Column
    from convex_nb.engine.segments.segment import Segment

    Matrix = NDArray[np.float64]

ROWS = 1 << 16
BYTES = 1 << 25
"""A stretch has at most so much text of vectors, unless a single one has more."""


class Vectors(NamedTuple):
    """The rows of a segment that have a vector of the right length, and these, of length one, in single precision."""

    rows: NDArray[np.int64]
    units: NDArray[np.float32]


class VectorIndex:
    """The vectors of one field of a segment, stretch by stretch, each made when it is first asked for.

    Half the memory of double precision, and so half the time: where vectors are nearly equally near, the nearest are
    told apart by what single precision keeps of them, about 7 digits.
    """

    __slots__ = ("_column", "_inner", "_made", "dimensions", "path", "starts")

    def __init__(self, segment: Segment, path: str, dimensions: int) -> None:
        self.path = path
        self.dimensions = dimensions
        self._column, self._inner = column_at(segment, path)
        self.starts = stretches_of(segment.num_rows, self._column, ROWS, BYTES)
        """The first row of each stretch, and the number of rows."""
        self._made: list[Vectors | None] = [None] * (len(self.starts) - 1)

    @classmethod
    def of(cls, segment: Segment, path: str, dimensions: int) -> VectorIndex:
        """That of a segment, which keeps it."""
        index = segment.derived.get((cls, path, dimensions))
        if index is None:
            index = segment.derived.setdefault((cls, path, dimensions), cls(segment, path, dimensions))
        return index  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self._made)

    def make(self, number: int) -> Vectors:
        """The vectors of one stretch. Costs about 0.1 microseconds a number when it is first asked for."""
        found = self._made[number]
        if found is None:
            # Two threads may both make them; either are right, so no lock.
            start, stop = self.starts[number], self.starts[number + 1]
            rows, matrix = vectors_at(self._column, self._inner, self.dimensions, start, stop)
            found = self._made[number] = Vectors(rows + start, units_of(matrix))
        return found

    def unbuilt(self) -> int | None:
        """The first stretch that is not made yet."""
        return next((number for number, made in enumerate(self._made) if made is None), None)

    @property
    def indexed(self) -> int:
        """How many rows have been looked at."""
        ready = [number for number, made in enumerate(self._made) if made is not None]
        return sum([self.starts[number + 1] - self.starts[number] for number in ready])

    def check(self, segment: Segment) -> None:
        """Verify what has been made against the documents. Raises ``AssertionError``. Costs O(numbers)."""
        for number, made in enumerate(self._made):
            if made is not None:
                start, stop = self.starts[number], self.starts[number + 1]
                vectors = [field_at(document, self.path) for document in segment.documents(range(start, stop))]
                rows = [row for row, vector in enumerate(vectors, start) if is_vector(vector, self.dimensions)]
                assert made.rows.tolist() == rows, f"{self.path} of {segment!r}: {made.rows} have vectors, not {rows}"
                matrix = np.array([vectors[row - start] for row in rows], np.float64).reshape(-1, self.dimensions)
                assert np.array_equal(made.units, units_of(matrix)), f"{self.path} of {segment!r}: other vectors"

    @property
    def nbytes(self) -> int:
        """Bytes of what has been made."""
        return sum([made.rows.nbytes + made.units.nbytes for made in self._made if made is not None])


def units_of(matrix: Matrix) -> NDArray[np.float32]:
    """The vectors scaled to length one; zero stays zero."""
    # First by the largest number, so that no square overflows.
    largest = np.abs(matrix).max(axis=1, initial=0.0, keepdims=True)
    largest[largest == 0] = 1
    matrix = matrix / largest
    lengths = np.sqrt((matrix * matrix).sum(axis=1, keepdims=True))
    lengths[lengths == 0] = 1
    units: NDArray[np.float32] = (matrix / lengths).astype(np.float32)
    return units


def vectors_at(
    column: Column | None, path: str, dimensions: int, start: int, stop: int
) -> tuple[NDArray[np.int64], Matrix]:
    """Which of some rows have a vector of finite numbers of this length, counted from ``start``; and the vectors."""
    rows = np.arange(stop - start)
    if column is not None and column.field.kind == "floats":
        return _kept(column, dimensions, start, stop)
    if column is None or column.field.kind not in ENCODED:
        return rows[:0], np.zeros((0, dimensions))
    if not path:
        texts = column.values.slice(start, stop - start)
        # So many commas has every vector of this length, and little else: what else has them is looked at.
        commas = pc.fill_null(pc.count_substring(texts, ","), -1).to_numpy()
        rows = np.flatnonzero(commas == dimensions - 1)
        matrix = _parsed(texts.take(pa.array(rows)), dimensions)
        if matrix is not None:
            return _finite(rows, matrix)
    values = values_at(column, path, start, stop)
    rows = np.array([row for row in rows.tolist() if is_vector(values[row], dimensions)], np.int64)
    return rows, np.array([values[row] for row in rows.tolist()], np.float64).reshape(len(rows), dimensions)


def _kept(column: Column, dimensions: int, start: int, stop: int) -> tuple[NDArray[np.int64], Matrix]:
    offsets = np.frombuffer(column.offsets, column.offsets.format)[start : stop + 1]
    rows = np.flatnonzero(np.diff(offsets) == dimensions * 8)
    numbers = np.frombuffer(column.data, np.float64)
    places = offsets[rows, None] // 8 + np.arange(dimensions)
    return _finite(rows, numbers[places])


def _finite(rows: NDArray[np.int64], matrix: Matrix) -> tuple[NDArray[np.int64], Matrix]:
    finite = np.isfinite(matrix).all(axis=1)
    return (rows, matrix) if finite.all() else (rows[finite], matrix[finite])


def _parsed(texts: ArrowArray, dimensions: int) -> Matrix | None:
    """The numbers of texts of plain numbers; ``None`` if some are anything else."""
    from pyarrow import csv

    if not len(texts):
        return np.zeros((0, dimensions))
    names = [str(number) for number in range(dimensions)]
    content = "\n".join([text[1:-1] for text in texts.to_pylist()]).encode()
    try:
        table = csv.read_csv(
            io.BytesIO(content),
            csv.ReadOptions(use_threads=False, column_names=names, block_size=max(1 << 20, dimensions * 64)),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.float64()), null_values=[]),
        )
    except pa.ArrowInvalid:
        return None
    return np.column_stack([column.to_numpy() for column in table.columns])


def is_vector(value: Any, dimensions: int) -> bool:
    """Whether a value is an array of so many finite numbers."""
    return (
        isinstance(value, list)
        and len(value) == dimensions
        and set(map(type, value)) <= {int, float}
        and bool(np.isfinite(np.array(value, np.float64)).all())
    )
