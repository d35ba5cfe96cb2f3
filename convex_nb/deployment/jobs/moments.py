"""Milliseconds since the epoch as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas


def moment(ms: float) -> str:
    """Return a time as text, in UTC."""
    return f"{datetime.fromtimestamp(ms / 1e3, UTC):%Y-%m-%d %H:%M:%S}"


def to_times(frame: pandas.DataFrame, *columns: str) -> pandas.DataFrame:
    """Return a frame some of whose columns, in milliseconds, have become UTC timestamps."""
    import pandas as pd

    for name in columns:
        frame[name] = pd.to_datetime(frame[name].astype("float64"), unit="ms", utc=True)
    return frame
