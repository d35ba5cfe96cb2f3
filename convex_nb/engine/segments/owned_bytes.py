"""Large buffers as ``bytes``, of which slices are quick to take."""

from __future__ import annotations

import ctypes
from typing import Any, Final

import pyarrow as pa

_PIECE: Final = 1 << 20

_new_bytes = ctypes.pythonapi.PyBytes_FromStringAndSize
_new_bytes.restype = ctypes.py_object
_new_bytes.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t)


class BytesWriter:
    """A ``bytes`` object of a known length that is written piece by piece before anybody has it.

    Python's own way to make one, from C. A stream that grows is copied as a whole whenever there is no room behind it.
    """

    def __init__(self, nbytes: int) -> None:
        """Costs nothing: memory is touched as it is written."""
        self._content: bytes = _new_bytes(None, nbytes)
        self._address: int = pa.py_buffer(self._content).address
        self._written = 0

    def write(self, piece: Any) -> None:
        """The bytes of a contiguous buffer come next. Other threads are served meanwhile, about every millisecond."""
        buffer = pa.py_buffer(piece)
        assert self._written + buffer.size <= len(self._content), "there is more than was announced"
        for start in range(0, buffer.size, _PIECE):
            nbytes = min(_PIECE, buffer.size - start)
            ctypes.memmove(self._address + self._written, buffer.address + start, nbytes)
            self._written += nbytes

    def content(self) -> bytes:
        """What was written, which is as long as was announced. Nothing may be written any more."""
        assert self._written == len(self._content), "there is less than was announced"
        return self._content


def owned_bytes(buffer: Any) -> bytes:
    """A copy of a buffer, nothing for ``None``."""
    if buffer is None:
        return b""
    writer = BytesWriter(memoryview(buffer).nbytes)
    writer.write(buffer)
    return writer.content()
