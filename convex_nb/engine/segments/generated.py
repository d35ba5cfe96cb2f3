"""Generated code as functions: what both decoders are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy

from convex_nb.engine.segments.encoded_text import value_of
from convex_nb.engine.segments.float_arrays import floats_of
from convex_nb.engine.segments.layout import MISSING
from convex_nb.language.documents import Document
from convex_nb.language.value_types import Id, Int64

if TYPE_CHECKING:
    from collections.abc import Callable


def maker(source: str, name: str) -> Callable[..., Any]:
    """The function `make` of ``source``: a decoder for the buffers of columns. ``name`` is what tracebacks call it."""
    scope: dict[str, Any] = {
        "Document": Document,
        "Id": Id,
        "Int64": Int64,
        "MISSING": MISSING,
        "new_int": int.__new__,
        "new_text": str.__new__,
        "uint8": numpy.uint8,
        "floats_of": floats_of,
        "value_of": value_of,
    }
    exec(compile(source, f"<{name}>", "exec"), scope)
    make: Callable[..., Any] = scope["make"]
    return make
