"""What the reading methods of all queries check alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convex_nb.language.errors import InvalidValueError, NotUniqueError

if TYPE_CHECKING:
    from convex_nb.language.documents import Document


def check_number(call: str, n: object) -> None:
    """Raise ``InvalidValueError`` unless ``n`` can be a number of documents."""
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise InvalidValueError(f"{call} takes a whole number that is not negative, got {n!r}.", value=n)


def check_columns(call: str, fields: Sequence[str] | None, limit: int | None) -> None:
    """Raise ``InvalidValueError`` unless these can be the arguments of ``df`` or ``arrow``."""
    if limit is not None:
        check_number(f"{call}(limit=...)", limit)
    if isinstance(fields, str) or not all(isinstance(field, str) for field in fields or ()):
        raise InvalidValueError(f"{call}(fields=...) takes a list of names of fields, got {fields!r}.", value=fields)


def only_document(table: str, documents: Sequence[Document]) -> Document | None:
    """The only one of at most two documents. Raises ``NotUniqueError``."""
    if len(documents) > 1:
        ids = [document["_id"] for document in documents]
        raise NotUniqueError(
            f"unique() query returned more than one result from table {table}: [{', '.join(ids)}]. "
            "Use first() or take(n) where several are expected.",
            table=table,
            document_ids=ids,
        )
    return documents[0] if documents else None
