"""Files that a page sends with a form: they come in parts, before the entries that name them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol


class FileStore(Protocol):
    """Where files are kept."""

    def store(self, data: bytes, media: str | None) -> str:
        """Store a file; return its id."""

    def forget(self, id: str) -> None:
        """Delete a file that was stored in vain."""


class SentFiles:
    """What has come so far, by the numbers that the page gives."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[str | None, bytearray]] = {}

    def take(self, number: int, start: int, media: str, part: Any) -> None:
        """Take a part of a file; the one that starts at 0 begins it anew."""
        if start == 0:
            self._sent[number] = (media or None, bytearray())
        self._sent[number][1].extend(part)

    @contextmanager
    def stored(self, entries: Mapping[str, Any], store: FileStore) -> Iterator[dict[str, Any]]:
        """Give the entries with the id of a stored file in place of each file; the files go if the block raises."""
        ids: list[str] = []

        def placed(entry: Any) -> Any:
            if isinstance(entry, Mapping):
                number = entry.get("file")
                if len(entry) == 1 and isinstance(number, int) and number in self._sent:
                    media, data = self._sent[number]
                    ids.append(store.store(bytes(data), media))
                    return ids[-1]
                return {name: placed(inner) for name, inner in entry.items()}
            return [placed(inner) for inner in entry] if isinstance(entry, list) else entry

        try:
            yield {name: placed(entry) for name, entry in entries.items()}
        except BaseException:
            for id in ids:
                store.forget(id)
            raise
        finally:
            self._sent.clear()
