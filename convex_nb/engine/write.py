"""What became of one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from convex_nb.language.documents import Document


class Write(NamedTuple):
    """The net change of one document, with its full key in every index of its table.

    ``old_keys`` and ``new_keys`` are parallel to the table's indexes; each is ``None`` where the document
    did not exist before, or does not exist after.
    """

    table: str
    id: str
    old: Document | None
    new: Document | None
    old_keys: tuple[bytes, ...] | None
    new_keys: tuple[bytes, ...] | None
