"""Rows of frames, Parquet files and Arrow files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convex_nb.language.errors import InvalidValueError
from convex_nb.services.transfer import source

if TYPE_CHECKING:
    import pyarrow

    from convex_nb.services.transfer.input_file import InputFile


class FrameSource(source.RowByRow):
    """The rows of an Arrow table."""

    def __init__(self, table: pyarrow.Table) -> None:
        self._table = table
        self.total = table.num_rows

    def batches(self) -> Iterator[pyarrow.Table]:
        """Slices of it; one, without rows, where it has none."""
        for start in range(0, max(self.total, 1), source.BATCH_ROWS):
            yield self._table.slice(start, source.BATCH_ROWS)

    def place(self, row: int) -> str:
        """The number of the row."""
        return f"row {row}"


class ListSource(source.RowByRow):
    """The dicts of a list."""

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self._documents = documents
        self.total = len(documents)

    def batches(self) -> Iterator[list[Mapping[str, Any]]]:
        """Pieces of it."""
        for start in range(0, self.total, source.BATCH_ROWS):
            yield list(self._documents[start : start + source.BATCH_ROWS])

    def place(self, row: int) -> str:
        """The number of the dict."""
        return f"row {row}"


class ParquetSource(source.RowByRow):
    """The rows of a Parquet file, read a piece at a time."""

    def __init__(self, file: InputFile) -> None:
        self._file = file
        with self._opened() as parquet:
            self.total = parquet.metadata.num_rows

    def _opened(self) -> Any:
        import pyarrow as pa
        import pyarrow.parquet

        try:
            return pyarrow.parquet.ParquetFile(self._file.source())
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self._file, "Parquet", error) from None

    def batches(self) -> Iterator[pyarrow.Table]:
        """Its rows."""
        import pyarrow as pa

        with self._opened() as parquet:
            try:
                for batch in parquet.iter_batches(source.BATCH_ROWS):
                    yield pa.Table.from_batches([batch])
            except (pa.ArrowException, OSError) as error:
                raise _damaged(self._file, "Parquet", error) from None

    def place(self, row: int) -> str:
        """The number of the row in the file."""
        return f"row {row} of {self._file.name}"


class ArrowFileSource(source.RowByRow):
    """The rows of an Arrow file, the one with a footer as well as the stream."""

    def __init__(self, file: InputFile) -> None:
        self._file = file

    def batches(self) -> Iterator[pyarrow.Table]:
        """Its rows."""
        import pyarrow as pa

        try:
            if self._file.first_bytes(6) == b"ARROW1":
                with pa.ipc.open_file(self._file.source()) as reader:
                    for number in range(reader.num_record_batches):
                        yield pa.Table.from_batches([reader.get_batch(number)])
            else:
                with self._file.open() as stream, pa.ipc.open_stream(stream) as reader:
                    for batch in reader:
                        yield pa.Table.from_batches([batch])
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self._file, "Arrow", error) from None

    def place(self, row: int) -> str:
        """The number of the row in the file."""
        return f"row {row} of {self._file.name}"


def _damaged(file: InputFile, format: str, error: Exception) -> InvalidValueError:
    return InvalidValueError(
        f"{file.name} is not a whole {format} file; it may have been cut short. Nothing was imported. "
        f"({str(error).splitlines()[0]})",
        value=file.name,
    )
