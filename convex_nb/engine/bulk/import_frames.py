"""Frames and whatever else speaks Arrow, as Arrow tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from convex_nb.language.errors import InvalidValueError

if TYPE_CHECKING:
    import pyarrow


class Frame(Protocol):
    """Columns that Arrow reads: a frame of pandas or polars, an Arrow table."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


def is_frame(data: Any) -> bool:
    """Whether ``data`` is a frame of pandas or polars, an Arrow table, or something else that is columns."""
    if type(data).__module__.partition(".")[0] == "pandas":
        return hasattr(data, "columns") or hasattr(data, "to_frame")
    return hasattr(data, "__arrow_c_stream__")


def frame_to_arrow(data: Any) -> pyarrow.Table:
    """The columns of a frame. Raises `InvalidValueError` naming a column that Arrow has no type for."""
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    if type(data).__module__.partition(".")[0] != "pandas":
        return pa.table(data)
    if not hasattr(data, "columns"):
        data = data.to_frame(data.name or "value")
    try:
        return pa.Table.from_pandas(data, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        name = next((str(each) for each in data.columns if _fails(data[each])), "")
        raise InvalidValueError(
            f"Column `{name}` holds values of several types, or of one that has no column: nothing was imported "
            f"({error.args[0]}). Convert it first, as in `frame[{name!r}].astype(str)`, or import a list of dicts, in "
            "which each value has its own type.",
            path=f".{name}",
        ) from None


def _fails(column: Any) -> bool:
    import pyarrow as pa

    try:
        pa.array(column, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return True
    return False
